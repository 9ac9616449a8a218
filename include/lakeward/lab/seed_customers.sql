INSERT INTO customers
SELECT
    i,
    CASE WHEN mod(i, 89) = 0 THEN '' WHEN mod(i, 83) = 0 THEN upper('Mail' || i || '@Example.COM')
         ELSE 'customer' || i || '@example.com' END,
    CASE WHEN mod(i, 97) = 0 THEN ''
         ELSE pg_temp.choose(i, 2, ARRAY['Anna', 'Zoë', 'Łukasz', 'Noémie', 'Jürg', 'Søren', 'Ana María', '美咲', 'Ольга',
                                         U&'Jose\0301', 'José', 'Chloé'])
              || ' ' || pg_temp.choose(i, 3, ARRAY['Müller', 'O''Neil', 'Weiß', 'Favre', 'García-López', '田中', 'Иванова',
                                                   'Bianchi ', 'von "Salis"', 'Smith, Jr.']) END,
    coalesce(pg_temp.place(i) ->> 'country', 'CH'),
    timestamptz '2019-01-01 00:00:00Z' + pg_temp.pick(i, 4, 189302400000000) * interval '1 microsecond',
    CASE WHEN mod(i, 41) = 0 THEN NULL WHEN mod(i, 43) = 0 THEN 0 WHEN i = 7 THEN 9999999999.99
         ELSE pg_temp.pick(i, 5, 2000000) / 100.0 END,
    CASE WHEN mod(i, 211) = 0 THEN NULL ELSE
        jsonb_build_object('tier', pg_temp.choose(i, 6, ARRAY['gold', 'silver', 'bronze', 'none']))
        || jsonb_build_object('birth_year', CASE WHEN mod(i, 31) <> 0 THEN 1940 + pg_temp.pick(i, 7, 68) END)
        || CASE WHEN mod(i, 53) = 0 THEN '{}' WHEN mod(i, 59) = 0 THEN '{"address": null}'
                ELSE jsonb_build_object('address', pg_temp.place(i)) END
        || CASE WHEN mod(i, 61) = 0 THEN '{}'
                ELSE jsonb_build_object('marketing', jsonb_build_object('email', pg_temp.pick(i, 8, 2) = 1,
                                                                        'sms', pg_temp.pick(i, 9, 4) = 1)) END
        || CASE WHEN mod(i, 67) = 0 THEN '{}' WHEN mod(i, 71) = 0 THEN '{"tags": null}'
                ELSE jsonb_build_object('tags', CASE pg_temp.pick(i, 10, 4)
                    WHEN 0 THEN '[]'::jsonb WHEN 1 THEN '["vip"]' WHEN 2 THEN '["newsletter", "b2b"]'
                    ELSE '["größe:xl", "", "été"]' END) END
    END
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i;
