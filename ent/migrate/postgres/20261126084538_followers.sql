-- Create "followers" table
CREATE TABLE "followers" ("tenant_id" uuid NOT NULL, "kind" character varying NOT NULL, "id" uuid NOT NULL, "position" bigint NOT NULL, "epoch" bigint NOT NULL, "owner" uuid NULL, "lease_until" bigint NOT NULL, PRIMARY KEY ("tenant_id", "kind", "id")) WITH (fillfactor = 50);
