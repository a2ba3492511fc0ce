"""Where agents live: thin adapters over the store's façade. None of them decides anything about memory.

memory_tool   the backend of Anthropic's memory tool: files that are views of the store
memory_files  those files, as the store keeps them
views         facts as lines for a model that did not ask a question
"""
