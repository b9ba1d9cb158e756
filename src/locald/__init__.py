"""locald runs a developer's services in order, and knows when each is really ready.

Six words carry the design: a *spec* is what the user asked for, the *world* is all that is known,
a *message* is what somebody asked or what happened, an *effect* is what the outside should do, an
*adapter* is a door to one kind of outside, and a *view* is what people are shown. ARCHITECTURE.md
has one page on how they fit together.
"""
