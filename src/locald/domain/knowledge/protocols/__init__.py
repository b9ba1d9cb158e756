"""The protocols in which locald can ask a server whether it serves: one question each, and what answers mean.

Which program speaks which of them stands in `knowledge/servers.py`; `adapters/asking.py` sends and reads.
"""

from __future__ import annotations

from locald.domain.knowledge.protocols.lines import BEANSTALK, MEMCACHED, NATS, REDIS, SMTP, ZOOKEEPER
from locald.domain.knowledge.protocols.packets import AMQP, DNS, KAFKA, LDAP, MONGODB, MQTT, MYSQL, POSTGRES
from locald.domain.knowledge.protocols.reply import OTHER, Meaning, Protocol, Reply, other, ready

__all__ = ["OTHER", "PROTOCOLS", "Meaning", "Protocol", "Reply", "other", "ready"]

PROTOCOLS: dict[str, Protocol] = {
    each.name: each
    for each in (
        *(POSTGRES, MYSQL, REDIS, MEMCACHED, MONGODB, AMQP, NATS, MQTT, ZOOKEEPER, KAFKA, SMTP, LDAP, DNS),
        BEANSTALK,
    )
}
"""by the name that a `health_check` has for them"""
