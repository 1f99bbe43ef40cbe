-- Create index "campaign_id" to table: "campaigns"
CREATE INDEX `campaign_id` ON `campaigns` (`id`);
-- Modify "responses" table
ALTER TABLE `responses` ADD COLUMN `unverified` bool NOT NULL DEFAULT false;
-- Create "brands" table
CREATE TABLE `brands` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `name` text NULL, `accent_color` text NULL, `background_color` text NULL, `text_color` text NULL, `logo` blob NULL, `background_image` blob NULL, `website` text NULL, `privacy_policy` text NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "brand_tenant_id" to table: "brands"
CREATE UNIQUE INDEX `brand_tenant_id` ON `brands` (`tenant_id`);
-- Create "brand_images" table
CREATE TABLE `brand_images` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `hash` blob NOT NULL, `media_type` text NOT NULL, `width` integer NOT NULL, `height` integer NOT NULL, `data` blob NOT NULL, `created_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "brandimage_tenant_id_hash" to table: "brand_images"
CREATE UNIQUE INDEX `brandimage_tenant_id_hash` ON `brand_images` (`tenant_id`, `hash`);
-- Create index "brandimage_hash" to table: "brand_images"
CREATE INDEX `brandimage_hash` ON `brand_images` (`hash`);
-- Create "link_keys" table
CREATE TABLE `link_keys` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `number` integer NOT NULL, `secret` blob NOT NULL, `forever` bool NOT NULL DEFAULT (false), `created_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "linkkey_tenant_id_number" to table: "link_keys"
CREATE UNIQUE INDEX `linkkey_tenant_id_number` ON `link_keys` (`tenant_id`, `number`);
-- Create "surveys" table
CREATE TABLE `surveys` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `campaign_id` uuid NOT NULL, `locale` text NOT NULL, `click_policy` text NOT NULL, `link_days` integer NOT NULL, `next_steps` json NOT NULL, `variants` json NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`), CONSTRAINT `surveys_campaign_id` FOREIGN KEY (`tenant_id`, `campaign_id`) REFERENCES `campaigns` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "survey_tenant_id_campaign_id" to table: "surveys"
CREATE UNIQUE INDEX `survey_tenant_id_campaign_id` ON `surveys` (`tenant_id`, `campaign_id`);
-- Create "wordings" table
CREATE TABLE `wordings` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `campaign_id` uuid NOT NULL, `locale` text NOT NULL, `variant` text NOT NULL, `words` json NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`), CONSTRAINT `wordings_campaign_id` FOREIGN KEY (`tenant_id`, `campaign_id`) REFERENCES `campaigns` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "wording_tenant_id_campaign_id_locale_variant" to table: "wordings"
CREATE UNIQUE INDEX `wording_tenant_id_campaign_id_locale_variant` ON `wordings` (`tenant_id`, `campaign_id`, `locale`, `variant`);
