package pairs;

import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Apache Kafka's own client, with its defaults, as one endpoint of a mixed pair. See ../../pairs/PROTOCOL.md. */
public final class PairClient {
    private PairClient() {}

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 1; i + 1 < args.length; i += 2) {
            options.put(args[i].substring(2), args[i + 1]);
        }
        switch (args[0]) {
            case "produce" -> produce(options);
            case "consume" -> consume(options);
            default -> throw new IllegalArgumentException("produce or consume, not " + args[0]);
        }
        // Threads of a client that could not be closed must not keep the process alive.
        System.exit(0);
    }

    private static Properties properties(Map<String, String> options) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", options.get("bootstrap"));
        return properties;
    }

    private static void produce(Map<String, String> options) throws Exception {
        byte[] input = Files.readAllBytes(Path.of(options.get("file")));
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        try (var producer = new KafkaProducer<>(properties(options), new ByteArraySerializer(), new ByteArraySerializer())) {
            int start = 0;
            while (start < input.length) {
                int tab = indexOf(input, (byte) '\t', start);
                int end = indexOf(input, (byte) '\n', tab);
                byte[] key = java.util.Arrays.copyOfRange(input, start, tab);
                byte[] value = java.util.Arrays.copyOfRange(input, tab + 1, end);
                answers.add(producer.send(new ProducerRecord<>(options.get("topic"), key, value)));
                start = end + 1;
            }
            for (Future<RecordMetadata> answer : answers) {
                answer.get();
            }
        }
        System.out.println("produced " + answers.size());
    }

    private static int indexOf(byte[] input, byte wanted, int from) {
        int at = from;
        while (input[at] != wanted) {
            at++;
        }
        return at;
    }

    private static void consume(Map<String, String> options) throws Exception {
        int members = Integer.parseInt(options.get("members"));
        long expect = Long.parseLong(options.get("expect"));
        var seen = new AtomicLong();
        var out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16), false, StandardCharsets.US_ASCII);
        List<Thread> threads = new ArrayList<>();
        for (int member = 0; member < members; member++) {
            int number = member;
            Thread thread = new Thread(() -> member(number, options, expect, seen, out));
            thread.setUncaughtExceptionHandler((failed, problem) -> {
                problem.printStackTrace();
                Runtime.getRuntime().halt(1);
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        out.flush();
    }

    private static void member(int number, Map<String, String> options, long expect, AtomicLong seen, PrintStream out) {
        Properties properties = properties(options);
        properties.put("group.id", options.get("group"));
        // The one thing changed: a group that is new must begin at the beginning.
        properties.put("auto.offset.reset", "earliest");
        HexFormat hex = HexFormat.of();
        try (var consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(options.get("topic")));
            while (seen.get() < expect) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    MessageDigest digest = MessageDigest.getInstance("SHA-256");
                    String line = number + " " + record.partition() + " " + record.offset() + " "
                            + hex.formatHex(record.key()) + " " + hex.formatHex(digest.digest(record.value()));
                    synchronized (out) {
                        out.println(line);
                    }
                    seen.incrementAndGet();
                }
            }
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
