-- Create "risk_models" table
CREATE TABLE "risk_models" ("tenant_id" uuid NOT NULL, "number" bigint NOT NULL, "cube" integer NOT NULL, "dimensions" json NOT NULL, "model" json NULL, "position" bigint NOT NULL, "learned_at" timestamptz NOT NULL, "done_to" uuid NOT NULL, "scored_to" uuid NULL, "passed_at" timestamptz NULL, "passed_revision" bigint NOT NULL, PRIMARY KEY ("tenant_id", "number"));
-- Create "contact_risks" table
CREATE TABLE "contact_risks" ("tenant_id" uuid NOT NULL, "contact_id" uuid NOT NULL, "model" bigint NOT NULL, "risk" integer NOT NULL, PRIMARY KEY ("tenant_id", "contact_id", "model"), CONSTRAINT "contact_risks_contact_id" FOREIGN KEY ("tenant_id", "contact_id") REFERENCES "contacts" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- Create index "contact_risk_order" to table: "contact_risks"
CREATE INDEX "contact_risk_order" ON "contact_risks" ("tenant_id", "model", "risk", "contact_id");
