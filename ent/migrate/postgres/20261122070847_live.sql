-- Modify "tenants" table
ALTER TABLE "tenants" ADD COLUMN "allowed_origins" json NULL;
-- Create "signing_keys" table
CREATE TABLE "signing_keys" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "secret" bytea NOT NULL, "created_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"));
-- Create "tombstones" table
CREATE TABLE "tombstones" ("tenant_id" uuid NOT NULL, "response_id" uuid NOT NULL, "campaign_id" uuid NOT NULL, "score" smallint NOT NULL, "channel" character varying NOT NULL, "variant" character varying NULL, "dimension_values" json NOT NULL, "responded_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "response_id"));
