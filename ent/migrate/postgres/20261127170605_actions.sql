-- Modify "tenants" table
ALTER TABLE "tenants" ADD COLUMN "min_group_size" bigint NOT NULL DEFAULT 1;
-- Create "benchmarks" table
CREATE TABLE "benchmarks" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "industry" character varying NOT NULL, "label" character varying NOT NULL, "average" double precision NOT NULL, "lowest" double precision NULL, "highest" double precision NULL, "year" bigint NOT NULL, "country" character varying NULL, "method" text NOT NULL, "source" text NOT NULL, "created_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"));
-- Create "actions" table
CREATE TABLE "actions" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "name" character varying NOT NULL, "note" text NULL, "started_on" integer NOT NULL, "ended_on" integer NULL, "segment_id" uuid NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"), CONSTRAINT "actions_segment_id" FOREIGN KEY ("tenant_id", "segment_id") REFERENCES "segments" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "action_tenant_id_started_on_id" to table: "actions"
CREATE INDEX "action_tenant_id_started_on_id" ON "actions" ("tenant_id", "started_on", "id");
-- Create index "action_tenant_id_segment_id" to table: "actions"
CREATE INDEX "action_tenant_id_segment_id" ON "actions" ("tenant_id", "segment_id");
-- Create "action_campaigns" table
CREATE TABLE "action_campaigns" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "action_id" uuid NOT NULL, "campaign_id" uuid NOT NULL, PRIMARY KEY ("tenant_id", "id"), CONSTRAINT "action_campaigns_action_id" FOREIGN KEY ("tenant_id", "action_id") REFERENCES "actions" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT "action_campaigns_campaign_id" FOREIGN KEY ("tenant_id", "campaign_id") REFERENCES "campaigns" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "actioncampaign_tenant_id_action_id_campaign_id" to table: "action_campaigns"
CREATE UNIQUE INDEX "actioncampaign_tenant_id_action_id_campaign_id" ON "action_campaigns" ("tenant_id", "action_id", "campaign_id");
