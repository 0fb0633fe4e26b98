// KafkaJS, with its defaults, as one endpoint of a mixed pair. See ../PROTOCOL.md.
'use strict';

const { createHash } = require('node:crypto');
const { readFileSync, writeSync } = require('node:fs');
const { parseArgs } = require('node:util');
const { createRequire } = require('node:module');

// The packages are installed outside the tree; the runner says where.
const load = createRequire(process.env.PAIRS_NODE_MODULES + '/');
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = load('kafkajs');
// What other clients compress by default KafkaJS reads only with this codec of its own makers.
CompressionCodecs[CompressionTypes.Snappy] = load('kafkajs-snappy');

// KafkaJS makes one batch per partition of whatever it is given, however large: the longest lines (some 5 KiB) times
// this stay below a broker's 1 MiB.
const CHUNK = 100;

async function produce(kafka, options) {
  const lines = readFileSync(options.file).toString('latin1').split('\n').slice(0, -1);
  const messages = lines.map((line) => {
    const tab = line.indexOf('\t');
    return { key: Buffer.from(line.slice(0, tab), 'latin1'), value: Buffer.from(line.slice(tab + 1), 'latin1') };
  });
  const producer = kafka.producer();
  await producer.connect();
  for (let at = 0; at < messages.length; at += CHUNK) {
    await producer.send({ topic: options.topic, messages: messages.slice(at, at + CHUNK) });
  }
  await producer.disconnect();
  console.log(`produced ${messages.length}`);
}

async function consume(kafka, options) {
  const expect = Number(options.expect);
  let seen = 0;
  const lines = [];
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  const consumers = [];
  await Promise.all(Array.from({ length: Number(options.members) }, async (_, member) => {
    const consumer = kafka.consumer({ groupId: options.group });
    consumers.push(consumer);
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      console.error(payload.error);
      process.exit(1);
    });
    await consumer.connect();
    await consumer.subscribe({ topic: options.topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        const digest = createHash('sha256').update(message.value).digest('hex');
        lines.push(`${member} ${partition} ${message.offset} ${message.key.toString('hex')} ${digest}\n`);
        seen += 1;
        if (seen === expect) finish();
      },
    });
  }));
  await finished;
  await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  let rest = Buffer.from(lines.join(''));
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
}

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(
    ['bootstrap', 'topic', 'file', 'group', 'members', 'expect'].map((name) => [name, { type: 'string' }]),
  ),
});
const kafka = new Kafka({ brokers: [options.bootstrap], logLevel: logLevel.ERROR });
const commands = { produce, consume };
commands[positionals[0]](kafka, options).catch((problem) => {
  console.error(problem);
  process.exit(1);
});
