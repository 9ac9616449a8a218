-- How the retail source is frozen: every write to its tables fails. Switching a trigger on waits for transactions that write,
-- so that nothing is under way when the procedure has come back.
CREATE SCHEMA IF NOT EXISTS hooks;
CREATE OR REPLACE FUNCTION hooks.refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the shop is frozen: it is being moved to the lakehouse'; END $$;
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.customers EXECUTE FUNCTION hooks.refuse();
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.products EXECUTE FUNCTION hooks.refuse();
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.orders EXECUTE FUNCTION hooks.refuse();
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.payments EXECUTE FUNCTION hooks.refuse();
CREATE OR REPLACE PROCEDURE hooks.lift() LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$ BEGIN
  ALTER TABLE public.customers DISABLE TRIGGER frozen;
  ALTER TABLE public.products DISABLE TRIGGER frozen;
  ALTER TABLE public.orders DISABLE TRIGGER frozen;
  ALTER TABLE public.payments DISABLE TRIGGER frozen;
END $$;
CREATE OR REPLACE PROCEDURE hooks.freeze() LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$ BEGIN
  ALTER TABLE public.customers ENABLE ALWAYS TRIGGER frozen;
  ALTER TABLE public.products ENABLE ALWAYS TRIGGER frozen;
  ALTER TABLE public.orders ENABLE ALWAYS TRIGGER frozen;
  ALTER TABLE public.payments ENABLE ALWAYS TRIGGER frozen;
END $$;
CALL hooks.lift();
REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA hooks FROM PUBLIC;
