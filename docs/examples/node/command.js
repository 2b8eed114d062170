// Two commands at once, each in a sandbox of its own, while this program goes on.
'use strict';
const sandbox = require('./mini_sandbox.node');

// What waitpid(2) says, in words.
const describe = (status) =>
  status & 127 ? `signal ${status & 127}` : `exit code ${status >> 8}`;

async function main() {
  const script = 'touch /usr/local/planted 2>/dev/null || echo refused; exit 5';
  const [first, second] = await Promise.all([
    sandbox.run([['setup_default']], ['sh', '-c', script]),
    sandbox.run([['setup_default'], ['mount_write', process.cwd()]],
      ['sh', '-c', 'echo done >result; kill -TERM $$']),
  ]);
  console.log(describe(first));
  console.log(describe(second));
  await sandbox.run([['mount_bind', 'etc']], ['true'])
    .catch((error) => console.log(error.message));
}

main();
