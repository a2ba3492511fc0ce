"""Claude Code: the memory at the start of a session, beside each prompt, and listening to what is said.

plugin/   what Claude Code reads: its hooks, each a shim to `memstore hook <event>`, and the MCP server
install   puts those into a project's or a user's settings and takes them out again, touching nothing else
json_text one settings file, changed in place
sooner    what a hook does not load before it is needed
run       one hook, from its input to its output; whatever happens, the agent goes on
payload   the input of a hook, which may be anything
tool      what the event after every tool notes, without opening a store
events    what every other event does
session   what a hook needs to know from the hooks before it
"""
