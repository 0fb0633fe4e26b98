#!/usr/bin/env bash
# Runs workloads against Corelane, Apache Kafka and the sink in turn, on this machine, and writes what came out to
# bench-results/. Each broker is alone while it is measured, pinned to one CPU; the generator has another.
#
#   benches/compare-kafka.sh [--workloads A,B,...] [--brokers A,B,...] [--rounds N] [--duration S] [--warm-up S]
#                            [--kafka-warm-up S] [--broker-cpu N] [--generator-cpu N] [--vary WHAT=LIST] [--no-disk]
#
#   --workloads   names or files from config/bench; without: all of the table in bench-results
#   --brokers     of corelane, corelane-relaxed, kafka, kafka-syncing, sink; the first is compared with each of the others.
#                 Without: all five. The sink throws records away: a ceiling, and only for workloads that write
#   --rounds 3    how often each workload is run against each broker, in turn
#   --duration 10 seconds that count of each run; --warm-up 3 seconds before them, --kafka-warm-up 20 for Kafka's JVM
#   --vary        partitions=LIST or connections=LIST: each workload with each of these
#   --no-disk     without measuring the disk (which takes about 40 s and needs fio)
#
# A run that fails is reported, and the others go on; the exit code says so at the end. How long it will take is said
# first. Needs Java 17 or newer and Maven (Kafka's jars come from there once), two CPUs and a quiet machine; root for reads
# from the disk, because only root may drop the page cache. As variables:
#   KAFKA_VERSION=4.3.0   KAFKA_HEAP=1G
#   LAB=target/bench-lab  where jars and data go; the data should be on the disk that is to be measured
#   CORELANE=...          the program; built as a release when it is not given
#   RESULTS=bench-results where the result is written
set -euo pipefail
cd "$(dirname "$0")/.."
given="$*"
workloads=big,mid,spread,tiny,tiny-pipelined,latency,latency-half,end-to-end,many-1000,many-10000,keyed
workloads+=,fetch-tail,fetch-warm,fetch-cold,idle-1,idle-1000
brokers=corelane,corelane-relaxed,kafka,kafka-syncing,sink
rounds=3 duration=10 warm_up=3 kafka_warm_up=20 broker_cpu=0 generator_cpu=1 disk=yes vary=()
while [ $# -gt 0 ]; do
  case $1 in
    --workloads) workloads=$2; shift ;;
    --brokers) brokers=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --duration) duration=$2; shift ;;
    --warm-up) warm_up=$2; shift ;;
    --kafka-warm-up) kafka_warm_up=$2; shift ;;
    --broker-cpu) broker_cpu=$2; shift ;;
    --generator-cpu) generator_cpu=$2; shift ;;
    --vary) vary+=(--vary "$2"); shift ;;
    --no-disk) disk= ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
KAFKA_VERSION=${KAFKA_VERSION:-4.3.0} KAFKA_HEAP=${KAFKA_HEAP:-1G} RESULTS=${RESULTS:-bench-results}
LAB=$(realpath -m "${LAB:-target/bench-lab}")
export KAFKA_VERSION KAFKA_HEAP KAFKA_JARS=$LAB/kafka-$KAFKA_VERSION
IFS=, read -ra workloads <<< "$workloads"
IFS=, read -ra brokers <<< "$brokers"
if [ -z "${CORELANE:-}" ]; then
  cargo build --release --locked
  CORELANE=target/release/corelane
fi
CORELANE=$(realpath "$CORELANE")
[ -w /proc/sys/vm/drop_caches ] || {
  kept=()
  for workload in "${workloads[@]}"; do [[ "$workload" = fetch-cold* ]] || kept+=("$workload"); done
  workloads=("${kept[@]}")
  echo "not root: the page cache can't be dropped, so reads from the disk are left out" >&2
}

serve="$CORELANE serve --listen 127.0.0.1:{port} --data-dir {dir}/data --shards 1 --cpus $broker_cpu"
options=() with_kafka=
for broker in "${brokers[@]}"; do
  case $broker in
    corelane) options+=(--broker "corelane=$serve") ;;
    corelane-relaxed) options+=(--broker "corelane-relaxed=$serve --set durability=relaxed") ;;
    kafka | kafka-syncing)
      extra=
      [ "$broker" = kafka ] || extra=" log.flush.interval.messages=1"
      options+=(--prepare "$broker=benches/start-kafka.sh --format {port} {dir}$extra"
        --broker "$broker=benches/start-kafka.sh {port} {dir}$extra" --warm-up-of "$broker=$kafka_warm_up")
      with_kafka=yes
      ;;
    sink)
      # It has nothing to be read, nor anything to say about being idle.
      options+=(--broker "sink=$CORELANE bench sink --listen 127.0.0.1:{port}"
        --skip sink=end-to-end,fetch-tail,fetch-warm,fetch-cold,fetch-cold-one,idle-1,idle-1000)
      ;;
    *) echo "no broker is called $broker" >&2; exit 2 ;;
  esac
done
# The load of keyed is a part of what Kafka takes.
[[ " ${brokers[*]} " != *" kafka "* ]] || options+=(--reference kafka)
commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain --untracked-files=no)" ] || commit="$commit with changes"
results=$LAB/results
rm -rf "$results"
mkdir -p "$LAB" "$RESULTS"
options+=(--label "Commit=$commit" --label "Disk=$(findmnt -n -o SOURCE,FSTYPE,OPTIONS -T "$LAB")"
  --label "CPU=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)")
if [ -n "$with_kafka" ]; then
  options+=(--label "Kafka=$KAFKA_VERSION, heap $KAFKA_HEAP" --label "Java=$(java -version 2>&1 | head -1)")
  # Jars are there before anything is timed.
  benches/start-kafka.sh --format 9092 "$LAB/jars"
  rm -rf "$LAB/jars"
fi

# What the disk does, on a file that has been written before: the bound of whatever waits for it.
fio_line() { # fio_line NAME BYTES [option ...]: one line of fio's terse output, version 3
  local name=$1 bytes=$2
  shift 2
  fio --name="$name" --filename="$LAB/fio.data" --size=512m --bs="$bytes" --direct=1 --output-format=terse \
    --terse-version=3 --percentile_list=50:99 --group_reporting "$@" | tail -1
}
percentile() { # percentile LINE FIRST_FIELD P: milliseconds, of the 20 percentiles that begin at a field
  cut -d';' -f"$2-$(($2 + 19))" <<< "$1" | tr ';' '\n' | sed -n "s/^$3\.0*%=//p" | awk '{ printf "%.3f", $1 / 1000 }'
}
mb_per_s() { cut -d';' -f"$2" <<< "$1" | awk '{ printf "%.0f", $1 * 1024 / 1e6 }'; }
if [ -n "$disk" ] && command -v fio > /dev/null; then
  echo "measuring the disk" >&2
  fio --name=prepare --filename="$LAB/fio.data" --size=512m --bs=1m --rw=write --direct=1 --end_fsync=1 > /dev/null
  for bytes in 4k 64k; do
    line=$(fio_line sync "$bytes" --rw=write --ioengine=psync --sync=dsync --time_based --runtime=8)
    options+=(--label "fio, $bytes O_DIRECT O_DSYNC writes=p50 $(percentile "$line" 59 50) ms, p99 $(percentile "$line" 59 99) ms")
  done
  line=$(fio_line write 1m --rw=write --ioengine=libaio --iodepth=4 --time_based --runtime=8)
  options+=(--label "fio, 1 MiB O_DIRECT writes at depth 4=$(mb_per_s "$line" 48) MB/s")
  line=$(fio_line read 1m --rw=read --ioengine=libaio --iodepth=4 --time_based --runtime=8)
  options+=(--label "fio, 1 MiB O_DIRECT reads at depth 4=$(mb_per_s "$line" 7) MB/s")
  rm -f "$LAB/fio.data"
elif [ -n "$disk" ]; then
  echo "fio was not found: the disk is not measured" >&2
fi

# Seconds of a workload that reads are seconds of reading, with the writing between on top, and those of an idle one do
# not depend on load: such ones keep their own.
writes=() reads=()
for workload in "${workloads[@]}"; do
  if [[ "$workload" = fetch-* || "$workload" = idle-* ]]; then reads+=("$workload"); else writes+=("$workload"); fi
done
seconds=0
for broker in "${brokers[@]}"; do
  case $broker in
    kafka*) one=$((kafka_warm_up + duration + 15)) other=45 ;;
    *) one=$((warm_up + duration + 3)) other=20 ;;
  esac
  [ "$broker" != sink ] || other=0
  for workload in "${writes[@]}"; do
    # Those that go by a broker's own highest rate measure it first.
    if [ "$workload" = latency-half ]; then seconds=$((seconds + 2 * one)); else seconds=$((seconds + one)); fi
  done
  seconds=$((seconds + other * ${#reads[@]}))
done
times=1
for list in "${vary[@]}"; do
  [ "$list" = --vary ] || times=$(tr -cd , <<< "$list" | wc -c | awk '{ print $1 + 1 }')
done
echo "this will take about $((seconds * rounds * times / 60 + 1)) minutes" >&2

failed=
suite() { # suite PART [option ...]
  local part=$1
  shift
  "$CORELANE" bench suite "$@" "${options[@]}" "${vary[@]}" --results "$results/$part" --rounds "$rounds" \
    --broker-cpus "$broker_cpu" --cpu "$generator_cpu" > "$LAB/$part.out" || failed=yes
}
[ ${#writes[@]} -eq 0 ] || suite writes "${writes[@]}" --warm-up-s "$warm_up" --duration-s "$duration"
[ ${#reads[@]} -eq 0 ] || suite reads "${reads[@]}"

result=$RESULTS/$(date -u +%Y-%m-%d-%H%M)-kafka-$KAFKA_VERSION.md
{
  echo "# Corelane and Apache Kafka $KAFKA_VERSION, one core each"
  echo
  echo "\`benches/compare-kafka.sh $given\`"
  for part in writes reads; do
    [ -d "$results/$part" ] || continue
    if [ -f "$results/$part/summary.md" ]; then
      echo
      cat "$results/$part/summary.md"
    fi
    # What the first broker is compared with is in the summary; the relaxed one has Kafka's promise, so it is compared too.
    a=$results/$part/corelane-relaxed.jsonl b=$results/$part/kafka.jsonl
    if [ "${brokers[0]}" != corelane-relaxed ] && [ -f "$a" ] && [ -f "$b" ]; then
      echo
      "$CORELANE" bench compare "$a" "$b"
    fi
  done
} | sed "s|$LAB/||g; s|$PWD/||g" > "$result"
cat "$result"
echo "written to $result; pages with plots are $results/*/report.html" >&2
[ -z "$failed" ] || { echo "runs failed: see the lines that begin with Failed" >&2; exit 1; }
