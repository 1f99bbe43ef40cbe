-- Create "risk_models" table
CREATE TABLE `risk_models` (`tenant_id` uuid NOT NULL, `number` integer NOT NULL, `cube` integer NOT NULL, `dimensions` json NOT NULL, `model` json NULL, `position` integer NOT NULL, `learned_at` datetime NOT NULL, `done_to` uuid NOT NULL, `scored_to` uuid NULL, `passed_at` datetime NULL, `passed_revision` integer NOT NULL, PRIMARY KEY (`tenant_id`, `number`)) WITHOUT ROWID;
-- Create "contact_risks" table
CREATE TABLE `contact_risks` (`tenant_id` uuid NOT NULL, `contact_id` uuid NOT NULL, `model` integer NOT NULL, `risk` integer NOT NULL, PRIMARY KEY (`tenant_id`, `contact_id`, `model`), CONSTRAINT `contact_risks_contact_id` FOREIGN KEY (`tenant_id`, `contact_id`) REFERENCES `contacts` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE CASCADE) WITHOUT ROWID;
-- Create index "contact_risk_order" to table: "contact_risks"
CREATE INDEX `contact_risk_order` ON `contact_risks` (`tenant_id`, `model`, `risk`, `contact_id`);
