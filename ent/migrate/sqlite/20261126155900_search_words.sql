-- The words of the search index, and how many responses have each: see internal/search.
CREATE VIRTUAL TABLE `search_words` USING fts5vocab(`search_documents`, 'row');
