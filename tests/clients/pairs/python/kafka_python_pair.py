"""kafka-python, with its defaults, as one endpoint of a mixed pair. See ../PROTOCOL.md."""

import sys

from endpoint import Progress, main, records


def produce(bootstrap, topic, file):
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap)
    answers = [producer.send(topic, key=key, value=value) for key, value in records(file)]
    producer.flush()
    for answer in answers:
        answer.get(timeout=60)
    producer.close()
    print("produced", len(answers))


def consume(bootstrap, topic, group, members, expect):
    from kafka import KafkaConsumer

    progress = Progress(expect)

    def member(number):
        consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
        while not progress.complete():
            for batch in consumer.poll(timeout_ms=200).values():
                for record in batch:
                    progress.record(number, record.partition, record.offset, record.key, record.value)
        consumer.close()

    progress.run(member, members)


if __name__ == "__main__":
    sys.exit(main(produce, consume))
