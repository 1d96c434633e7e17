// Embeddings through openai-node, which asks for base64 and decodes it itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { client, embeddingModel as model } from './client.mjs'

test('base64 and floats are the same numbers', async () => {
  const fallback = await client.embeddings.create({ model, input: ['The cat sat.', '猫坐着。'] })
  const floats = await client.embeddings.create({ model, input: ['The cat sat.', '猫坐着。'], encoding_format: 'float' })
  for (const [place, item] of floats.data.entries()) {
    assert.equal(item.index, place)
    assert.equal(item.embedding.length, 384)
    const largest = Math.max(...item.embedding.map((value, at) => Math.abs(value - fallback.data[place].embedding[at])))
    assert.ok(largest < 1e-6, `${largest}`)
  }
  assert.ok(floats.usage.total_tokens > 0)
})

test('token ids of cl100k mean their text', async () => {
  const tokens = await client.embeddings.create({ model, input: [[9906, 1917]], encoding_format: 'float' })
  const text = await client.embeddings.create({ model, input: 'Hello world', encoding_format: 'float' })
  const product = tokens.data[0].embedding.reduce((sum, value, at) => sum + value * text.data[0].embedding[at], 0)
  assert.ok(product > 0.999, `${product}`)
})
