"""
The demonstration: a year of real flights as an event-sourced application.

`domain` says what happens, `flights` reads the data, `loading` turns it into events, `delays` is
the read model, `tour` shows what a store can do, and `command` is `orchestrix demo`.
"""
