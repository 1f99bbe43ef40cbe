-- What responses are found by: see internal/search.
CREATE TABLE "search_documents" ("tenant_id" uuid NOT NULL, "response_id" uuid NOT NULL, "tokens" tsvector NOT NULL, PRIMARY KEY ("tenant_id", "response_id"));
-- Each search reads what is not sorted in yet: so that is little.
CREATE INDEX "search_documents_tokens" ON "search_documents" USING gin ("tokens") WITH (gin_pending_list_limit = 256);
