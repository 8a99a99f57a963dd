"""Search: an index of embeddings or codes, exact or approximate, with filters and files (docs/search.md)."""

from unifiedlib.index.filters import Where
from unifiedlib.index.search_index import Index, Results
from unifiedlib.index.storage import IndexFileError

__all__ = ["Index", "IndexFileError", "Results", "Where"]
