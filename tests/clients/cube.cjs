// The driver of Cube as an analyst, with TAMGA_CLIENTS=all: its check of the connection, what it finds of the tables, and a query.
const assert = require('node:assert')
const { ClickHouseDriver } = require('@cubejs-backend/clickhouse-driver')

async function analyst() {
  const driver = new ClickHouseDriver({
    host: process.env.ENGINE_HOST,
    port: process.env.ENGINE_PORT,
    username: 'analyst',
    password: process.env.ANALYST_PASSWORD,
    database: 'tamga_stats',
    protocol: 'http:',
    readOnly: true,
  })
  await driver.testConnection()
  const { tamga_stats: tables } = await driver.tablesSchema()
  assert(tables.pages.some(({ name }) => name === 'path'))
  const rows = await driver.query('SELECT path, sum(views) AS views FROM pages WHERE site = ? GROUP BY path ORDER BY path', ['a.kz'])
  assert.deepStrictEqual([rows.length, rows[0].path, String(rows[0].views)], [7, '/0', '15225'])
  await driver.release()
  console.log('Cube: its driver works')
}

analyst()
