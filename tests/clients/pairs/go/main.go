// Command pairs is franz-go, with its defaults, as one endpoint of a mixed pair. See ../PROTOCOL.md.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	log.SetFlags(0)
	flags := flag.NewFlagSet("pairs", flag.ExitOnError)
	bootstrap := flags.String("bootstrap", "", "")
	topic := flags.String("topic", "", "")
	file := flags.String("file", "", "")
	group := flags.String("group", "", "")
	members := flags.Int("members", 1, "")
	expect := flags.Int64("expect", 0, "")
	if err := flags.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	switch os.Args[1] {
	case "produce":
		produce(*bootstrap, *topic, *file)
	case "consume":
		consume(*bootstrap, *topic, *group, *members, *expect)
	default:
		log.Fatalf("produce or consume, not %s", os.Args[1])
	}
}

func produce(bootstrap, topic, file string) {
	input, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.DefaultProduceTopic(topic))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	count := 0
	for line := range bytes.Lines(input) {
		key, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
		client.Produce(context.Background(), &kgo.Record{Key: key, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				log.Fatalf("produce: %v", err)
			}
		})
		count++
	}
	if err := client.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("produced", count)
}

func consume(bootstrap, topic, group string, members int, expect int64) {
	ctx, finished := context.WithCancel(context.Background())
	var (
		seen    atomic.Int64
		running sync.WaitGroup
		printer sync.Mutex
		out     = bufio.NewWriter(os.Stdout)
	)
	for member := range members {
		running.Go(func() {
			client, err := kgo.NewClient(
				kgo.SeedBrokers(bootstrap),
				kgo.ConsumerGroup(group),
				kgo.ConsumeTopics(topic),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			)
			if err != nil {
				log.Fatal(err)
			}
			defer client.Close()
			for ctx.Err() == nil {
				fetches := client.PollFetches(ctx)
				if ctx.Err() != nil {
					return
				}
				if err := fetches.Err(); err != nil {
					log.Fatalf("consume: %v", err)
				}
				fetches.EachRecord(func(r *kgo.Record) {
					printer.Lock()
					fmt.Fprintf(out, "%d %d %d %x %x\n", member, r.Partition, r.Offset, r.Key, sha256.Sum256(r.Value))
					printer.Unlock()
					if seen.Add(1) == expect {
						finished()
					}
				})
			}
		})
	}
	running.Wait()
	if err := out.Flush(); err != nil {
		log.Fatal(err)
	}
}
