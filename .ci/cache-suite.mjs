// Counts a result of http-tests/cache-tests as its own pages do: a test whose
// dependency failed does not count.
//   node cache-suite.mjs DIR NAME RESULT.json
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [dir, name, file] = process.argv.slice(2)
const load = part => import(pathToFileURL(path.join(dir, part)).href)
const { determineTestResult, resultTypes } = await load('test-engine/lib/results.mjs')
const suites = (await load('tests/index.mjs')).default
const results = JSON.parse(fs.readFileSync(file))

const kinds = { required: [0, 0], optimal: [0, 0], check: [0, 0] }
const failed = { required: [], optimal: [] }
for (const test of suites.flatMap(s => s.tests)) {
  if (test.browser_only) continue
  const kind = test.kind ?? 'required'
  const got = determineTestResult(suites, test.id, results)
  const good = got === resultTypes.pass || got === resultTypes.yes
  kinds[kind][0] += good
  kinds[kind][1]++
  if (!good && failed[kind]) failed[kind].push(test.id)
}
const counts = Object.entries(kinds).map(([kind, [n, of]]) => `${kind} ${n}/${of}`).join(', ')
console.log(`${name}: ${counts}`)
for (const [kind, ids] of Object.entries(failed)) if (ids.length) console.log(`  ${kind}, failed: ${ids.join(' ')}`)
if (kinds.required[0] < 159 || kinds.optimal[0] < 100) process.exitCode = 1
