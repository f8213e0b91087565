// @clickhouse/client against the engine: rows each way as the service (a million with TAMGA_CLIENTS=all), and the questions of
// an analyst.
const assert = require('node:assert')
const { createHash } = require('node:crypto')
const { Readable } = require('node:stream')
const { ClickHouseLogLevel, createClient } = require('@clickhouse/client')

const ROWS = process.env.TAMGA_CLIENTS === 'all' ? 1_000_000 : 1000
const url = `http://${process.env.ENGINE_HOST}:${process.env.ENGINE_PORT}`

function* rows() {
  for (let id = 0; id < ROWS; id++) yield { id, text: `row ${id % 1000} of ${id}`, maybe: id % 7 ? (id % 100) - 50 : null }
}

async function service() {
  const client = createClient({ url, username: 'tamga', password: process.env.ENGINE_PASSWORD, request_timeout: 120_000 })
  assert((await client.ping()).success)
  await client.command({ query: 'CREATE DATABASE IF NOT EXISTS tamga_stats' })
  await client.command({
    query: 'CREATE TABLE tamga_stats.node (id UInt32, text String, maybe Nullable(Int32)) ENGINE = MergeTree ORDER BY id',
    clickhouse_settings: { wait_end_of_query: 1 },
  })
  const [sent, read] = [createHash('sha256'), createHash('sha256')]
  let since = performance.now()
  const values = Readable.from((function* () {
    for (const row of rows()) {
      sent.update(JSON.stringify(row))
      yield row
    }
  })())
  await client.insert({ table: 'tamga_stats.node', values, format: 'JSONEachRow' })
  const rate = () => Math.round((ROWS / (performance.now() - since)) * 1000).toLocaleString('en')
  console.log(`@clickhouse/client: ${rate()} rows/s in`)
  since = performance.now()
  const answer = await client.query({ query: 'SELECT id, text, maybe FROM tamga_stats.node ORDER BY id', format: 'JSONEachRow' })
  let count = 0
  for await (const batch of answer.stream()) {
    for (const row of batch) {
      read.update(JSON.stringify(row.json()))
      count++
    }
  }
  console.log(`@clickhouse/client: ${rate()} rows/s out`)
  const digest = sent.digest('hex')
  assert.deepStrictEqual([count, read.digest('hex')], [ROWS, digest])
  console.log(`@clickhouse/client: digest ${digest.slice(0, 16)} both ways`)
  await client.close()
}

async function analyst() {
  const client = createClient({
    url,
    username: 'analyst',
    password: process.env.ANALYST_PASSWORD,
    compression: { response: true },
    session_id: 'one',
    log: { level: ClickHouseLogLevel.OFF },
  })
  const ask = async (query, more) => (await client.query({ query, format: 'JSONEachRow', ...more })).json()
  assert.deepStrictEqual(await ask('SELECT count()::UInt32 AS n FROM node'), [{ n: ROWS }])
  assert.deepStrictEqual(await ask('SELECT {x:String} AS x, {y:Array(UInt8)} AS y', { query_params: { x: "it's", y: [1, 2] } }), [
    { x: "it's", y: [1, 2] },
  ])
  assert((await ask('SHOW TABLES')).some(({ name }) => name === 'node'))
  const settings = { max_execution_time: 5, output_format_json_quote_64bit_integers: 0, wait_end_of_query: 1 }
  assert.deepStrictEqual(await ask('SELECT 1::UInt64 AS n', { clickhouse_settings: settings }), [{ n: 1 }])
  for (const query of ['DROP TABLE node', 'SELECT * FROM system.processes', "SELECT file('/etc/passwd')"]) {
    await assert.rejects(client.command({ query }), query)
  }
  await assert.rejects(client.insert({ table: 'node', values: [{ id: 1 }], format: 'JSONEachRow' }))
  await client.close()
  console.log('@clickhouse/client: the analyst is served')
}

service().then(analyst)
