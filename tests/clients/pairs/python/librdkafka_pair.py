"""librdkafka, with its defaults, as one endpoint of a mixed pair. See ../PROTOCOL.md.

The wheel of confluent-kafka holds librdkafka itself; what Python adds is the loop around it.
"""

import sys

from endpoint import Progress, main, records


def produce(bootstrap, topic, file):
    from confluent_kafka import Producer

    failures = []

    def delivered(error, _message):
        if error:
            failures.append(error)

    producer = Producer({"bootstrap.servers": bootstrap})
    count = 0
    for key, value in records(file):
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=delivered)
                break
            except BufferError:
                # The client's own queue is full: let it deliver some.
                producer.poll(0.1)
        producer.poll(0)
        count += 1
    left = producer.flush(60)
    if failures or left:
        raise RuntimeError(f"{left} not delivered, failures: {failures[:3]}")
    print("produced", count)


def consume(bootstrap, topic, group, members, expect):
    from confluent_kafka import Consumer, KafkaException

    progress = Progress(expect)

    def member(number):
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        while not progress.complete():
            for message in consumer.consume(num_messages=500, timeout=0.2):
                if message.error():
                    raise KafkaException(message.error())
                progress.record(number, message.partition(), message.offset(), message.key(), message.value())
        consumer.close()

    progress.run(member, members)


if __name__ == "__main__":
    sys.exit(main(produce, consume))
