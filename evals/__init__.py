"""The instrument: runs any memory ("arm") over the same conversations and questions, and reports how it did."""
