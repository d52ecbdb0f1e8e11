-- The inventory's own event table, as a team would write it by hand. Twinstream does not change it.
CREATE TABLE IF NOT EXISTS public.inventory_events (
  seq         bigserial PRIMARY KEY,
  category    text NOT NULL,
  name        text NOT NULL,
  version     integer NOT NULL CHECK (version >= 1),
  event_id    uuid NOT NULL UNIQUE,
  kind        text NOT NULL,
  payload     jsonb NOT NULL,
  meta        jsonb,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (category, name, version)
);
