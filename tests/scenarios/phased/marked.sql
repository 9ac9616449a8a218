-- Every insert and update is stamped with the instant at which its transaction began, as many a shop does it.
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
DO $$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['customers', 'orders', 'order_lines', 'picks', 'notes'] LOOP
    EXECUTE format('ALTER TABLE public.%I ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now()', t);
    EXECUTE format('CREATE TRIGGER stamped BEFORE INSERT OR UPDATE ON public.%I FOR EACH ROW EXECUTE FUNCTION stamp()', t);
  END LOOP;
END $$;
