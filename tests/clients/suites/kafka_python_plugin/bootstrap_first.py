"""Loaded into the run of kafka-python's tests: their consumers learn of the brokers before they subscribe.

kafka-python 3.0.12 loses a subscription that is made while the answer to its first metadata request is being processed:
`subscribe` asks for the topic's metadata, and the end of `ClusterMetadata.update_metadata` takes that wish back. The consumer
then has no partition for five minutes. Consumers as users make them bootstrap first; those of the tests are told `api_version`,
so that they do it meanwhile, and run into this the more often the sooner a broker answers.
"""

from kafka import KafkaConsumer

BOOTSTRAP_TIMEOUT_MS = 30_000
_init = KafkaConsumer.__init__


def _bootstrap_first(self, *topics, **configs):
    _init(self, **configs)
    if topics:
        self.bootstrap(timeout_ms=BOOTSTRAP_TIMEOUT_MS)
        self.subscribe(topics=topics)


KafkaConsumer.__init__ = _bootstrap_first
