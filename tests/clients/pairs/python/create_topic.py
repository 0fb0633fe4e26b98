"""Creates a topic and ends when the broker has answered: create_topic.py BOOTSTRAP TOPIC PARTITIONS"""

import sys

from confluent_kafka.admin import AdminClient, NewTopic

bootstrap, topic, partitions = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": bootstrap})
for answer in admin.create_topics([NewTopic(topic, int(partitions), 1)]).values():
    answer.result(30)
