// Files, vector stores and responses through openai-node.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all, chatModel, client, errors, facts, library, storedText, toFile } from './client.mjs'

const upload = async (name, text) => client.files.create({ file: await toFile(Buffer.from(text), name), purpose: 'assistants' })

test('a file comes back as it went', async () => {
  const body = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256))
  const file = await client.files.create({ file: await toFile(body, '文件.bin'), purpose: 'user_data' })
  assert.equal(file.filename, '文件.bin')
  assert.equal(file.bytes, body.length)
  const returned = Buffer.from(await (await client.files.content(file.id)).arrayBuffer())
  assert.ok(returned.equals(body))
  assert.equal((await client.files.delete(file.id)).deleted, true)
  await assert.rejects(client.files.retrieve(file.id), errors.NotFoundError)
})

test('pages follow each other', async () => {
  const ids = []
  for (let number = 0; number < 5; number++) ids.push((await client.vectorStores.create({ name: `node-${number}` })).id)
  const walked = (await all(client.vectorStores.list({ limit: 2, order: 'asc' }))).map((store) => store.id)
  assert.deepEqual(walked.filter((id) => ids.includes(id)), ids)
  for (const id of ids) assert.equal((await client.vectorStores.delete(id)).deleted, true)
})

test('a batch of files is searchable when polling ends', async () => {
  const store = await client.vectorStores.create({ name: 'node batch' })
  const files = await Promise.all([0, 1, 2].map((number) => upload(`cat-${number}.txt`, `Cat number ${number} sleeps.`)))
  const body = { file_ids: files.map((file) => file.id), attributes: { kind: 'cat' } }
  const batch = await client.vectorStores.fileBatches.createAndPoll(store.id, body)
  assert.equal(batch.status, 'completed')
  assert.equal(batch.file_counts.completed, 3)
  const hits = await all(client.vectorStores.search(store.id, { query: 'Which cat sleeps?', filters: { type: 'eq', key: 'kind', value: 'cat' } }))
  assert.equal(new Set(hits.map((hit) => hit.file_id)).size, 3)
  await client.vectorStores.files.delete(files[0].id, { vector_store_id: store.id })
  const left = await all(client.vectorStores.search(store.id, { query: 'Which cat sleeps?' }))
  assert.ok(left.length > 0 && left.every((hit) => hit.file_id !== files[0].id))
  await client.vectorStores.delete(store.id)
  await assert.rejects(client.vectorStores.retrieve(store.id), errors.NotFoundError)
})

test('each fact is found where it stands', async () => {
  const { store, files } = await library()
  for (const fact of facts) {
    const hits = await all(client.vectorStores.search(store, { query: fact.question, max_num_results: 4 }))
    const hit = hits.find((hit) => hit.content.some((part) => part.text.replaceAll('\n', ' ').includes(fact.needle)))
    assert.ok(hit, fact.question)
    assert.equal(hit.file_id, files[fact.file])
  }
})

test('responses stream their events in order, with citations', async () => {
  const { store } = await library()
  const tools = [{ type: 'file_search', vector_store_ids: [store] }]
  const request = { model: chatModel, input: facts[0].question, tools, temperature: 0, max_output_tokens: 60 }
  const events = await all(await client.responses.create({ ...request, stream: true }))
  events.forEach((event, place) => assert.equal(event.sequence_number, place))
  assert.equal(events[0].type, 'response.created')
  const final = events.at(-1).response
  const deltas = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta)
  const message = final.output.find((item) => item.type === 'message')
  assert.equal(deltas.join(''), message.content[0].text)
  const notes = events.filter((event) => event.type === 'response.output_text.annotation.added').map((event) => event.annotation)
  assert.deepEqual(notes, message.content[0].annotations)
  assert.ok(notes.length > 0)
  for (const note of notes) {
    const text = await storedText(store, note.file_id)
    assert.equal(text.slice(note.start, note.end).join(''), note.quote)
  }
})

test('the response helper adds up to the response itself', async () => {
  const { store } = await library()
  const tools = [{ type: 'file_search', vector_store_ids: [store] }]
  const request = { model: chatModel, input: facts[0].question, tools, temperature: 0, max_output_tokens: 60 }
  const final = await client.responses.stream(request).finalResponse()
  assert.ok(final.output_text.length > 0)
  const whole = await client.responses.create(request)
  assert.equal(whole.output_text, final.output_text)
  assert.equal((await client.responses.retrieve(whole.id)).id, whole.id)
})
