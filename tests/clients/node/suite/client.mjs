// The client under test, taken from the folder that install.sh made, and the documents that tests ask about.
import { readFileSync, createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const installed = createRequire(join(process.env.KUBEMATE_CLIENT_FOLDER, 'package.json'))
export const { OpenAI, toFile } = installed('openai')
export const errors = OpenAI

export const client = new OpenAI({
  baseURL: process.env.KUBEMATE_BASE_URL,
  apiKey: process.env.KUBEMATE_API_KEY,
  maxRetries: 0,
})
export const chatModel = process.env.KUBEMATE_CHAT_MODEL
export const embeddingModel = process.env.KUBEMATE_EMBEDDING_MODEL
export const facts = JSON.parse(readFileSync(join(process.env.KUBEMATE_DOCUMENTS, 'facts.json'), 'utf8'))

export const document = (name) => createReadStream(join(process.env.KUBEMATE_DOCUMENTS, name))

/** All items of an async iterable. */
export async function all(stream) {
  const items = []
  for await (const item of stream) items.push(item)
  return items
}

let filled
/** A vector store that holds both documents, made once a file of tests. */
export function library() {
  filled ??= (async () => {
    const store = await client.vectorStores.create({ name: 'library-node' })
    const files = {}
    for (const name of ['handbook.pdf', 'shouce.txt']) {
      const attached = await client.vectorStores.files.uploadAndPoll(store.id, document(name))
      if (attached.status !== 'completed') throw new Error(JSON.stringify(attached))
      files[name] = attached.id
    }
    return { store: store.id, files }
  })()
  return filled
}

/** The text that citations point into, as a list of Unicode scalars: positions count those, not UTF-16 units. */
export async function storedText(store, file) {
  const parts = await all(client.vectorStores.files.content(file, { vector_store_id: store }))
  return Array.from(parts.map((part) => part.text).join(''))
}
