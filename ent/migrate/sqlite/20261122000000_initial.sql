-- Create "api_keys" table
CREATE TABLE `api_keys` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `name` text NOT NULL, `hint` text NOT NULL, `hash` blob NOT NULL, `scopes` json NOT NULL, `created_at` datetime NOT NULL, `last_used_at` datetime NULL, `expires_at` datetime NULL, `revoked_at` datetime NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "apikey_hash" to table: "api_keys"
CREATE UNIQUE INDEX `apikey_hash` ON `api_keys` (`hash`);
-- Create "campaigns" table
CREATE TABLE `campaigns` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `name` text NOT NULL, `question` text NOT NULL, `follow_up_question` text NOT NULL, `status` text NOT NULL DEFAULT ('ACTIVE'), `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "campaign_tenant_id_name" to table: "campaigns"
CREATE UNIQUE INDEX `campaign_tenant_id_name` ON `campaigns` (`tenant_id`, `name`);
-- Create "contacts" table
CREATE TABLE `contacts` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `external_id` text NULL, `email` text NULL, `email_key` text NULL, `phone` text NULL, `name` text NULL, `locale` text NULL, `traits` json NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "contact_tenant_id_external_id" to table: "contacts"
CREATE UNIQUE INDEX `contact_tenant_id_external_id` ON `contacts` (`tenant_id`, `external_id`);
-- Create index "contact_tenant_id_email_key" to table: "contacts"
CREATE UNIQUE INDEX `contact_tenant_id_email_key` ON `contacts` (`tenant_id`, `email_key`);
-- Create "responses" table
CREATE TABLE `responses` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `campaign_id` uuid NOT NULL, `contact_id` uuid NULL, `score` integer NOT NULL, `comment` text NULL, `channel` text NOT NULL, `variant` text NULL, `locale` text NULL, `traits` json NOT NULL, `responded_at` datetime NOT NULL, `recorded_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`), CONSTRAINT `responses_campaign_id` FOREIGN KEY (`tenant_id`, `campaign_id`) REFERENCES `campaigns` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT `responses_contact_id` FOREIGN KEY (`tenant_id`, `contact_id`) REFERENCES `contacts` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "response_tenant_id_responded_at_id" to table: "responses"
CREATE INDEX `response_tenant_id_responded_at_id` ON `responses` (`tenant_id`, `responded_at`, `id`);
-- Create index "response_tenant_id_campaign_id_responded_at_id" to table: "responses"
CREATE INDEX `response_tenant_id_campaign_id_responded_at_id` ON `responses` (`tenant_id`, `campaign_id`, `responded_at`, `id`);
-- Create index "response_tenant_id_contact_id_responded_at_id" to table: "responses"
CREATE INDEX `response_tenant_id_contact_id_responded_at_id` ON `responses` (`tenant_id`, `contact_id`, `responded_at`, `id`);
-- Create index "response_tenant_id_score_id" to table: "responses"
CREATE INDEX `response_tenant_id_score_id` ON `responses` (`tenant_id`, `score`, `id`);
-- Create "segments" table
CREATE TABLE `segments` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `name` text NOT NULL, `rule` json NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create "tenants" table
CREATE TABLE `tenants` (`id` uuid NOT NULL, `name` text NOT NULL, `time_zone` text NOT NULL DEFAULT ('UTC'), `industry` text NULL, `created_at` datetime NOT NULL, `log_position` integer NOT NULL DEFAULT (0), `revision` integer NOT NULL DEFAULT (0), `settings` integer NOT NULL DEFAULT (0), `cube` integer NOT NULL DEFAULT (0), PRIMARY KEY (`id`));
-- Create "traits" table
CREATE TABLE `traits` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `key` text NOT NULL, `label` text NOT NULL, `kind` text NOT NULL, `is_dimension` bool NOT NULL DEFAULT (true), `edges` json NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "trait_tenant_id_key" to table: "traits"
CREATE UNIQUE INDEX `trait_tenant_id_key` ON `traits` (`tenant_id`, `key`);
-- Create "events" table
CREATE TABLE `events` (`tenant_id` uuid NOT NULL, `position` integer NOT NULL, `kind` integer NOT NULL, `at` datetime NOT NULL, `response_id` uuid NOT NULL, `campaign_id` uuid NOT NULL, `score` integer NULL, `previous_score` integer NULL, PRIMARY KEY (`tenant_id`, `position`)) WITHOUT ROWID;
-- Create "idempotency_keys" table
CREATE TABLE `idempotency_keys` (`tenant_id` uuid NOT NULL, `key` blob NOT NULL, `response_id` uuid NOT NULL, `content` blob NULL, PRIMARY KEY (`tenant_id`, `key`)) WITHOUT ROWID;
-- Create "cubes" table
CREATE TABLE `cubes` (`tenant_id` uuid NOT NULL, `generation` integer NOT NULL, `shape` json NOT NULL, `built_to` uuid NULL, `whole` bool NOT NULL, `done` integer NOT NULL, `total` integer NOT NULL, PRIMARY KEY (`tenant_id`, `generation`));
-- Create "profiles" table
CREATE TABLE `profiles` (`tenant_id` uuid NOT NULL, `cube` integer NOT NULL, `id` integer NOT NULL, `channel` text NOT NULL, `variant` text NOT NULL, `dimension_values` json NOT NULL, PRIMARY KEY (`tenant_id`, `cube`, `id`)) WITHOUT ROWID;
-- Create "cells" table
CREATE TABLE `cells` (`tenant_id` uuid NOT NULL, `cube` integer NOT NULL, `grain` integer NOT NULL, `campaign_id` uuid NOT NULL, `start` integer NOT NULL, `profile_id` integer NOT NULL, `s0` integer NOT NULL, `s1` integer NOT NULL, `s2` integer NOT NULL, `s3` integer NOT NULL, `s4` integer NOT NULL, `s5` integer NOT NULL, `s6` integer NOT NULL, `s7` integer NOT NULL, `s8` integer NOT NULL, `s9` integer NOT NULL, `s10` integer NOT NULL, PRIMARY KEY (`tenant_id`, `cube`, `grain`, `campaign_id`, `start`, `profile_id`)) WITHOUT ROWID;
