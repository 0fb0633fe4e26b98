#!/usr/bin/env bash
# Starts Apache Kafka as one node, in the foreground, with all else as it comes; its jars come from Maven once.
#
#   benches/start-kafka.sh [--format] PORT DIR [property=value ...]
#
# Listens on PORT, and for its controller on the next one; keeps its data in DIR. Needs Java 17 or newer and Maven.
# With --format it only prepares DIR, which is left out when it starts there.
#   KAFKA_VERSION=4.3.0   KAFKA_JARS=target/bench-lab/kafka-VERSION   KAFKA_HEAP=1G
set -euo pipefail
format_only=
[ "${1:-}" != --format ] || { format_only=yes; shift; }
[ $# -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
port=$1 home=$2
shift 2
cd "$(dirname "$0")/.."
KAFKA_VERSION=${KAFKA_VERSION:-4.3.0} KAFKA_HEAP=${KAFKA_HEAP:-1G}
jars=${KAFKA_JARS:-target/bench-lab/kafka-$KAFKA_VERSION}
for tool in java mvn; do
  command -v "$tool" > /dev/null || { echo "$tool is needed and was not found" >&2; exit 1; }
done

if [ ! -d "$jars" ]; then
  rm -rf "$jars.part"
  mkdir -p "$jars.part"
  cat > "$jars.part/pom.xml" << XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bench</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$KAFKA_VERSION</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
XML
  mvn -q -B -f "$jars.part/pom.xml" dependency:copy-dependencies -DoutputDirectory="$(realpath "$jars.part")"
  mv "$jars.part" "$jars"
fi

mkdir -p "$home"
{
  echo "process.roles=broker,controller"
  echo "node.id=1"
  echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))"
  echo "advertised.listeners=PLAINTEXT://127.0.0.1:$port"
  echo "controller.listener.names=CONTROLLER"
  echo "controller.quorum.bootstrap.servers=127.0.0.1:$((port + 1))"
  echo "log.dirs=$home/data"
  echo "offsets.topic.replication.factor=1"
  printf '%s\n' "$@"
} > "$home/server.properties"
if [ ! -f "$home/data/meta.properties" ]; then
  cluster=$(java -cp "$jars/*" kafka.tools.StorageTool random-uuid)
  java -cp "$jars/*" kafka.tools.StorageTool format --standalone -t "$cluster" -c "$home/server.properties" > "$home/format.log" 2>&1
fi
[ -z "$format_only" ] || exit 0
# Collector as in Kafka's own start script.
exec java -server "-Xms$KAFKA_HEAP" "-Xmx$KAFKA_HEAP" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
  -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true \
  -cp "$jars/*" kafka.Kafka "$home/server.properties"
