// Unpacks tarballs with the tar reader that an installed npm carries, as npm does, and says what
// came of it.
//
//   node node_tar.js NODE_TAR_FOLDER WORK_FOLDER < tarballs
//
// Standard input has a tarball's path a line, after it a tab and the size of the pieces in which it
// arrives (0: all at once); standard output gets a JSON line for each:
// {"path": [size, sha1], …}, or null where npm would end with an error.
'use strict'

const crypto = require('crypto')
const fs = require('fs')
const path = require('path')

const [, , nodeTar, work] = process.argv
const tar = require(nodeTar)

// What npm's own unpacking says (pacote, lib/fetcher.js).
function options () {
  const ignores = new Set()
  return {
    strip: 1,
    sync: true,
    noChmod: true,
    noMtime: true,
    preserveOwner: false,
    umask: 0o22,
    filter: (_, entry) => {
      if (/Link$/.test(entry.type)) {
        return false
      }
      entry.mode = entry.mode | (/Directory/.test(entry.type) ? 0o777 : 0o666) | 0o600
      if (!/File$/.test(entry.type)) {
        return undefined
      }
      const name = path.basename(entry.path)
      if (name === '.npmignore') {
        ignores.add(entry.path)
      } else if (name === '.gitignore') {
        const renamed = entry.path.slice(0, -name.length) + '.npmignore'
        if (ignores.has(renamed)) {
          return false
        }
        entry.path = renamed
      }
      return true
    },
  }
}

function files (folder, prefix, found) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) {
      files(full, `${prefix}${entry.name}/`, found)
    } else {
      const content = fs.readFileSync(full)
      found[prefix + entry.name] = [
        content.length,
        crypto.createHash('sha1').update(content).digest('hex'),
      ]
    }
  }
  return found
}

for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const [file, size] = line.split('\t')
  const folder = path.join(work, 'unpacked')
  fs.mkdirSync(folder)
  let found = null
  try {
    const content = fs.readFileSync(file)
    const unpack = tar.x({ ...options(), cwd: folder })
    const step = Number(size) || content.length || 1
    for (let start = 0; start < content.length; start += step) {
      unpack.write(content.subarray(start, start + step))
    }
    unpack.end()
    found = files(folder, '', {})
  } catch {
    // npm's own error; nothing is installed.
  }
  fs.rmSync(folder, { recursive: true })
  process.stdout.write(JSON.stringify(found) + '\n')
}
