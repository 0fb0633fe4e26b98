#!/usr/bin/env bash
# Runs the built-in workloads against Corelane and Apache Kafka in turn, on this machine, and writes what came out to
# bench-results/. Each broker is alone while it is measured, pinned to one CPU; the generator has another.
#
#   benches/compare-kafka.sh [WORKLOAD ...]
#
# Needs Java 17 or newer and Maven (Kafka's jars come from there once), two CPUs and a quiet machine; root for the cold
# read, because only root may drop the page cache. Settings, as variables:
#   ROUNDS=3  WARM_UP_S=20  DURATION_S=15  KAFKA_VERSION=4.3.0  BROKER_CPU=0  GENERATOR_CPU=1
#   LAB=target/bench-lab   where jars and data go; the data should be on the disk that is to be measured
#   CORELANE=target/release/corelane   built when it is not given
set -euo pipefail
cd "$(dirname "$0")/.."
ROUNDS=${ROUNDS:-3} WARM_UP_S=${WARM_UP_S:-20} DURATION_S=${DURATION_S:-15}
KAFKA_VERSION=${KAFKA_VERSION:-4.3.0} BROKER_CPU=${BROKER_CPU:-0} GENERATOR_CPU=${GENERATOR_CPU:-1}
LAB=$(realpath -m "${LAB:-target/bench-lab}")
workloads=("$@")
[ ${#workloads[@]} -gt 0 ] || workloads=(big mid tiny fetch-tail fetch-cold)

for tool in java mvn taskset; do
  command -v "$tool" > /dev/null || { echo "$tool is needed and was not found" >&2; exit 1; }
done
if [ -z "${CORELANE:-}" ]; then
  cargo build --release --locked
  CORELANE=target/release/corelane
fi
mkdir -p "$LAB" bench-results
[ -w /proc/sys/vm/drop_caches ] || {
  kept=()
  for workload in "${workloads[@]}"; do [[ "$workload" = fetch-cold* ]] || kept+=("$workload"); done
  workloads=("${kept[@]}")
  echo "not root: the page cache can't be dropped, so fetch-cold is left out" >&2
}

jars=$LAB/kafka-$KAFKA_VERSION
if [ ! -d "$jars" ]; then
  mkdir -p "$LAB/fetch-jars"
  cat > "$LAB/fetch-jars/pom.xml" << XML
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
  (cd "$LAB/fetch-jars" && mvn -q -B dependency:copy-dependencies -DoutputDirectory="$jars.part")
  mv "$jars.part" "$jars"
fi

broker_pid=
stop_broker() {
  [ -n "$broker_pid" ] || return 0
  kill "$broker_pid" 2> /dev/null || true
  wait "$broker_pid" 2> /dev/null || true
  broker_pid=
  sync
}
trap stop_broker EXIT

free_port() { # A port nobody listens on, with the next one free as well.
  local port
  while :; do
    port=$((20000 + RANDOM % 20000))
    ! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && ! (exec 3<> "/dev/tcp/127.0.0.1/$((port + 1))") 2> /dev/null &&
      { echo "$port"; return; }
  done
}

wait_for_port() {
  for _ in $(seq 300); do
    (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return 0
    kill -0 "$broker_pid" 2> /dev/null || break
    sleep 0.2
  done
  echo "the broker did not start:" >&2
  tail -20 "$2" >&2
  exit 1
}

start_kafka() { # start_kafka PORT [property=value ...]
  local port=$1 home=$LAB/run-kafka
  shift
  rm -rf "$home"
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
  local cluster
  cluster=$(java -cp "$jars/*" kafka.tools.StorageTool random-uuid)
  java -cp "$jars/*" kafka.tools.StorageTool format --standalone -t "$cluster" -c "$home/server.properties" > "$home/format.log" 2>&1
  # Heap and collector as in Kafka's own start script.
  taskset -c "$BROKER_CPU" java -server -Xms1G -Xmx1G -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
    -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true \
    -cp "$jars/*" kafka.Kafka "$home/server.properties" > "$home/broker.log" 2>&1 < /dev/null &
  broker_pid=$!
  wait_for_port "$port" "$home/broker.log"
}

start_corelane() { # start_corelane PORT [setting=value ...]
  local port=$1 home=$LAB/run-corelane setting
  shift
  rm -rf "$home"
  mkdir -p "$home"
  local settings=()
  for setting in "$@"; do settings+=(--set "$setting"); done
  "$CORELANE" serve --listen "127.0.0.1:$port" --data-dir "$home/data" --shards 1 --cpus "$BROKER_CPU" "${settings[@]}" \
    > "$home/broker.log" 2>&1 < /dev/null &
  broker_pid=$!
  wait_for_port "$port" "$home/broker.log"
}

measure() { # measure BROKER WORKLOAD: appends one JSON line to $LAB/results/BROKER.jsonl
  local port
  port=$(free_port)
  case $1 in
    corelane) start_corelane "$port" ;;
    kafka) start_kafka "$port" ;;
    kafka-syncing) start_kafka "$port" log.flush.interval.messages=1 ;;
  esac
  local run=("$CORELANE" bench run --bootstrap "127.0.0.1:$port" --broker-pid "$broker_pid" --cpu "$GENERATOR_CPU" --json)
  if [[ "$2" = fetch-cold* ]]; then
    # It is read once, so the JVM is warmed up by another read.
    "${run[@]}" fetch-tail --warm-up-s 0 --duration-s 3 > /dev/null
    "${run[@]}" "$2" >> "$LAB/results/$1.jsonl"
  elif [ "$2" = fetch-tail ]; then
    # Its seconds are seconds of reading; the writing between comes on top, so it keeps its own.
    "${run[@]}" "$2" >> "$LAB/results/$1.jsonl"
  else
    "${run[@]}" "$2" --warm-up-s "$WARM_UP_S" --duration-s "$DURATION_S" >> "$LAB/results/$1.jsonl"
  fi
  stop_broker
}

rm -rf "$LAB/results"
mkdir -p "$LAB/results"
for round in $(seq "$ROUNDS"); do
  for workload in "${workloads[@]}"; do
    brokers=(corelane kafka)
    [ "$workload" = tiny ] && brokers+=(kafka-syncing)
    for broker in "${brokers[@]}"; do
      echo "round $round of $ROUNDS: $workload, $broker" >&2
      measure "$broker" "$workload"
    done
  done
done

commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain --untracked-files=no)" ] || commit="$commit with changes"
result=bench-results/$(date -u +%Y-%m-%d-%H%M)-kafka-$KAFKA_VERSION.md
{
  echo "# Corelane and Apache Kafka $KAFKA_VERSION, one core each"
  echo
  echo "- Command: \`ROUNDS=$ROUNDS WARM_UP_S=$WARM_UP_S DURATION_S=$DURATION_S benches/compare-kafka.sh ${workloads[*]}\`"
  echo "- Commit: $commit"
  echo "- Machine: $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) CPUs, $(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo) memory"
  echo "- Kernel: $(uname -r)"
  echo "- Disk: $(findmnt -n -o SOURCE,FSTYPE,OPTIONS -T "$LAB")"
  echo "- Java: $(java -version 2>&1 | head -1)"
  echo "- Broker on CPU $BROKER_CPU, generator on CPU $GENERATOR_CPU; brokers interleaved within each of $ROUNDS rounds, each started anew with empty data"
  echo "- Corelane: \`serve --shards 1 --cpus $BROKER_CPU\`, all else as it comes: acknowledged means durable"
  echo "- Kafka: one node, all else as it comes (acknowledged means in the page cache), heap 1 GiB. kafka-syncing: the same with \`log.flush.interval.messages=1\`"
  echo "- acks=all in every workload; the workloads are in \`config/bench/\`"
  echo
  echo "MB are 10^6 bytes of record batches. Medians over the rounds, smallest and largest in parentheses."
  echo
  "$CORELANE" bench compare "$LAB"/results/corelane.jsonl "$LAB"/results/kafka.jsonl
  if [ -s "$LAB/results/kafka-syncing.jsonl" ]; then
    echo
    "$CORELANE" bench compare "$LAB"/results/corelane.jsonl "$LAB"/results/kafka-syncing.jsonl
  fi
} > "$result"
cat "$result"
echo "written to $result" >&2
