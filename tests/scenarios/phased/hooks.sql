CREATE SCHEMA hooks;
CREATE FUNCTION hooks.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'frozen'; END $$;
CREATE PROCEDURE hooks.turn(how text) LANGUAGE plpgsql AS $$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['customers', 'orders', 'order_lines', 'picks', 'notes', 'stock'] LOOP
    EXECUTE format('ALTER TABLE public.%I %s TRIGGER frozen', t, how);
  END LOOP;
END $$;
CREATE PROCEDURE hooks.freeze() LANGUAGE plpgsql AS $$ BEGIN CALL hooks.turn('ENABLE ALWAYS'); END $$;
CREATE PROCEDURE hooks.lift() LANGUAGE plpgsql AS $$ BEGIN CALL hooks.turn('DISABLE'); END $$;
DO $$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['customers', 'orders', 'order_lines', 'picks', 'notes', 'stock'] LOOP
    EXECUTE format('CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.%I EXECUTE FUNCTION hooks.refuse()', t);
  END LOOP;
  CALL hooks.lift();
END $$;
