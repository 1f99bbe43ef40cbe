-- What responses are found by: see internal/search. Deleted words leave no trace.
CREATE VIRTUAL TABLE `search_documents` USING fts5(tenant_id UNINDEXED, response_id UNINDEXED, tokens, detail=column, columnsize=0, tokenize="ascii tokenchars '_'");
INSERT INTO `search_documents` (`search_documents`, `rank`) VALUES ('secure-delete', 1);
