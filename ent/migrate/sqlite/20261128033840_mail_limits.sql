-- Disable the enforcement of foreign-keys constraints
PRAGMA foreign_keys = off;
-- Create index "invitation_tenant_id_next_at" to table: "invitations"
CREATE INDEX `invitation_tenant_id_next_at` ON `invitations` (`tenant_id`, `next_at`) WHERE next_at IS NOT NULL;
-- Create "new_outreach" table
CREATE TABLE `new_outreach` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `monthly_budget` integer NULL, `sender_name` text NULL, `sender_address` text NULL, `reply_to` text NULL, `postal_address` text NULL, `unconfirmed_address` text NULL, `code_hash` blob NULL, `code_sent_at` datetime NULL, `code_tries` integer NOT NULL DEFAULT (0), `tests_hour` integer NOT NULL DEFAULT (0), `tests` integer NOT NULL DEFAULT (0), `wrong_hour` integer NOT NULL DEFAULT (0), `wrong_codes` integer NOT NULL DEFAULT (0), `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Copy rows from old table "outreach" to new temporary table "new_outreach"
INSERT INTO `new_outreach` (`tenant_id`, `id`, `monthly_budget`, `sender_name`, `sender_address`, `reply_to`, `postal_address`, `unconfirmed_address`, `code_hash`, `code_sent_at`, `code_tries`, `tests_hour`, `tests`, `updated_at`) SELECT `tenant_id`, `id`, `monthly_budget`, `sender_name`, `sender_address`, `reply_to`, `postal_address`, `unconfirmed_address`, `code_hash`, `code_sent_at`, `code_tries`, `tests_hour`, `tests`, `updated_at` FROM `outreach`;
-- Drop "outreach" table after copying rows
DROP TABLE `outreach`;
-- Rename temporary table "new_outreach" to "outreach"
ALTER TABLE `new_outreach` RENAME TO `outreach`;
-- Create index "outreach_tenant_id" to table: "outreach"
CREATE UNIQUE INDEX `outreach_tenant_id` ON `outreach` (`tenant_id`);
-- Add column "reason_before" to table: "suppressions"
ALTER TABLE `suppressions` ADD COLUMN `reason_before` text NULL;
-- Add column "invitation_before" to table: "suppressions"
ALTER TABLE `suppressions` ADD COLUMN `invitation_before` uuid NULL;
-- Enable back the enforcement of foreign-keys constraints
PRAGMA foreign_keys = on;
