"""Memory as Markdown files: the lossless baseline, and the face of the store that a person can edit.

memory    MarkdownMemory: MEMORY.md and topic files
curator   the stated rule that keeps one where nobody does so by hand
topic     a topic file: frontmatter and body
keywords  choosing files by the words of their descriptions
statement facts as list items, and the statements that people write
view      a folder as a view of a store: what stands where, and what was changed
folder    the only place that touches the disk: nothing leaves it
"""
