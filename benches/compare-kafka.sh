#!/usr/bin/env bash
# Runs workloads against Corelane and Apache Kafka in turn, on this machine, and writes what came out to bench-results/.
# Each broker is alone while it is measured, pinned to one CPU; the generator has another.
#
#   benches/compare-kafka.sh [WORKLOAD ...]
#
# Needs Java 17 or newer and Maven (Kafka's jars come from there once), two CPUs and a quiet machine; root for reads from
# the disk, because only root may drop the page cache. Settings, as variables:
#   ROUNDS=3  WARM_UP_S=20  DURATION_S=15  KAFKA_VERSION=4.3.0  BROKER_CPU=0  GENERATOR_CPU=1
#   BROKERS="corelane kafka"   of corelane, corelane-relaxed, kafka, kafka-syncing; the first is compared with the others
#   LAB=target/bench-lab       where jars and data go; the data should be on the disk that is to be measured
#   CORELANE=target/release/corelane   built when it is not given
set -euo pipefail
cd "$(dirname "$0")/.."
ROUNDS=${ROUNDS:-3} WARM_UP_S=${WARM_UP_S:-20} DURATION_S=${DURATION_S:-15} BROKERS=${BROKERS:-corelane kafka}
KAFKA_VERSION=${KAFKA_VERSION:-4.3.0} BROKER_CPU=${BROKER_CPU:-0} GENERATOR_CPU=${GENERATOR_CPU:-1}
LAB=$(realpath -m "${LAB:-target/bench-lab}")
export KAFKA_VERSION KAFKA_JARS=$LAB/kafka-$KAFKA_VERSION
workloads=("$@")
[ ${#workloads[@]} -gt 0 ] || workloads=(big mid spread tiny tiny-pipelined latency end-to-end fetch-tail fetch-cold)
if [ -z "${CORELANE:-}" ]; then
  cargo build --release --locked
  CORELANE=$PWD/target/release/corelane
fi
[ -w /proc/sys/vm/drop_caches ] || {
  kept=()
  for workload in "${workloads[@]}"; do [[ "$workload" = fetch-cold* ]] || kept+=("$workload"); done
  workloads=("${kept[@]}")
  echo "not root: the page cache can't be dropped, so reads from the disk are left out" >&2
}

serve="$CORELANE serve --listen 127.0.0.1:{port} --data-dir {dir}/data --shards 1 --cpus $BROKER_CPU"
brokers=()
for broker in $BROKERS; do
  case $broker in
    corelane) brokers+=(--broker "corelane=$serve") ;;
    corelane-relaxed) brokers+=(--broker "corelane-relaxed=$serve --set durability=relaxed") ;;
    kafka)
      brokers+=(--prepare "kafka=benches/start-kafka.sh --format {port} {dir}"
        --broker "kafka=benches/start-kafka.sh {port} {dir}") ;;
    kafka-syncing)
      brokers+=(--prepare "kafka-syncing=benches/start-kafka.sh --format {port} {dir}"
        --broker "kafka-syncing=benches/start-kafka.sh {port} {dir} log.flush.interval.messages=1") ;;
    *) echo "no broker is called $broker" >&2; exit 2 ;;
  esac
done
commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain --untracked-files=no)" ] || commit="$commit with changes"
results=$LAB/results
rm -rf "$results"
mkdir -p "$LAB" bench-results

# Seconds of a workload that reads are seconds of reading, with the writing between on top, so such ones keep their own.
writes=() reads=()
for workload in "${workloads[@]}"; do
  if [[ "$workload" = fetch-* ]]; then reads+=("$workload"); else writes+=("$workload"); fi
done
suite() { # suite PART [option ...]
  local part=$1
  shift
  "$CORELANE" bench suite "$@" "${brokers[@]}" --results "$results/$part" --rounds "$ROUNDS" \
    --broker-cpus "$BROKER_CPU" --cpu "$GENERATOR_CPU" \
    --label "Kafka=$KAFKA_VERSION" --label "Java=$(java -version 2>&1 | head -1)" \
    --label "Commit=$commit" --label "Disk=$(findmnt -n -o SOURCE,FSTYPE,OPTIONS -T "$LAB")" > /dev/null
}
[ ${#writes[@]} -eq 0 ] || suite writes "${writes[@]}" --warm-up-s "$WARM_UP_S" --duration-s "$DURATION_S"
[ ${#reads[@]} -eq 0 ] || suite reads "${reads[@]}"

result=bench-results/$(date -u +%Y-%m-%d-%H%M)-kafka-$KAFKA_VERSION.md
{
  echo "# Corelane and Apache Kafka $KAFKA_VERSION, one core each"
  echo
  echo "\`BROKERS=\"$BROKERS\" ROUNDS=$ROUNDS WARM_UP_S=$WARM_UP_S DURATION_S=$DURATION_S benches/compare-kafka.sh ${workloads[*]}\`"
  for part in writes reads; do
    [ ! -f "$results/$part/summary.md" ] || { echo; sed "s|$LAB/||g; s|$PWD/||g" "$results/$part/summary.md"; }
  done
} > "$result"
cat "$result"
echo "written to $result; pages with plots are $results/*/report.html" >&2
