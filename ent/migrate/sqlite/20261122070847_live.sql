-- Add column "allowed_origins" to table: "tenants"
ALTER TABLE `tenants` ADD COLUMN `allowed_origins` json NULL;
-- Create "signing_keys" table
CREATE TABLE `signing_keys` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `secret` blob NOT NULL, `created_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create "tombstones" table
CREATE TABLE `tombstones` (`tenant_id` uuid NOT NULL, `response_id` uuid NOT NULL, `campaign_id` uuid NOT NULL, `score` integer NOT NULL, `channel` text NOT NULL, `variant` text NULL, `dimension_values` json NOT NULL, `responded_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `response_id`));
