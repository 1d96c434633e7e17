// Chat completions through openai-node: whole, streamed, helpers, errors.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all, chatModel, client, errors, facts, library, storedText } from './client.mjs'

const messages = [{ role: 'user', content: 'Name three colours.' }]
const plain = { model: chatModel, messages, max_tokens: 12, temperature: 0 }

const textOf = (chunks) => chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? '')).join('')

test('a whole answer and its stream say the same', async () => {
  const whole = await client.chat.completions.create(plain)
  const chunks = await all(await client.chat.completions.create({ ...plain, stream: true }))
  assert.equal(textOf(chunks), whole.choices[0].message.content)
  assert.deepEqual(chunks[0].choices[0].delta, { role: 'assistant', content: '' })
  assert.deepEqual(chunks.at(-1).choices[0].delta, {})
  assert.ok(['stop', 'length'].includes(chunks.at(-1).choices[0].finish_reason))
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.choices[0].finish_reason === null))
  assert.ok(chunks.every((chunk) => !('usage' in chunk)))
})

test('usage comes last and only when asked for', async () => {
  const chunks = await all(await client.chat.completions.create({ ...plain, stream: true, stream_options: { include_usage: true } }))
  const last = chunks.pop()
  assert.deepEqual(last.choices, [])
  assert.equal(last.usage.total_tokens, last.usage.prompt_tokens + last.usage.completion_tokens)
  assert.ok(chunks.every((chunk) => chunk.usage === null))
})

test('the stream helper keeps every citation', async () => {
  const { store, files } = await library()
  const request = { ...plain, max_tokens: 80, vector_store_ids: [store], messages: [{ role: 'user', content: facts[0].question }] }
  const streamed = await client.chat.completions.stream(request).finalMessage()
  const whole = (await client.chat.completions.create(request)).choices[0].message
  assert.equal(streamed.content, whole.content)
  assert.deepEqual(streamed.annotations, whole.annotations)
  assert.ok(whole.annotations.length > 0)
  for (const note of whole.annotations) {
    assert.ok(Object.values(files).includes(note.file_id))
    const text = await storedText(store, note.file_id)
    assert.equal(text.slice(note.start, note.end).join(''), note.quote)
  }
})

test('a stream that is aborted frees the model', async () => {
  for (let round = 0; round < 3; round++) {
    const stream = await client.chat.completions.create({ ...plain, max_tokens: 2000, stream: true })
    for await (const _ of stream) break
  }
  assert.ok((await client.chat.completions.create({ ...plain, max_tokens: 1 })).choices)
})

test('errors become the classes of the SDK', async () => {
  const failed = async (promise, type, status, code) => {
    const error = await promise.then(() => assert.fail('it was answered'), (reason) => reason)
    assert.ok(error instanceof type, error)
    assert.equal(error.status, status)
    if (code) assert.equal(error.code, code)
    assert.ok(error.requestID)
  }
  await failed(client.withOptions({ apiKey: 'km-wrong' }).models.list(), errors.AuthenticationError, 401, 'invalid_api_key')
  await failed(client.chat.completions.create({ ...plain, model: 'gpt-nothing' }), errors.NotFoundError, 404, 'model_not_found')
  await failed(client.chat.completions.create({ ...plain, model: 'gpt-nothing', stream: true }), errors.NotFoundError, 404)
  await failed(client.chat.completions.create({ ...plain, temperature: 9 }), errors.BadRequestError, 400)
  const limited = client.withOptions({ apiKey: process.env.KUBEMATE_CHAT_ONLY_KEY })
  await failed(limited.files.list(), errors.PermissionDeniedError, 403)
})

test('a text completion streams', async () => {
  const request = { model: chatModel, prompt: 'One, two, three,', max_tokens: 6, temperature: 0 }
  const whole = await client.completions.create(request)
  const chunks = await all(await client.completions.create({ ...request, stream: true }))
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join(''), whole.choices[0].text)
})

test('models are listed', async () => {
  const names = (await all(client.models.list())).map((model) => model.id)
  assert.ok(names.includes(chatModel))
  assert.equal((await client.models.retrieve(chatModel)).id, chatModel)
})
