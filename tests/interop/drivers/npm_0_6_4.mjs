// Starts the session given on stdin with npm honeyhive 0.6.4, reads it back, prints both answers.
// The package's main also loads its tracer with everything that one traces, so the client is
// taken from its own file. The argument is the directory that holds node_modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { HoneyHive } = createRequire(`${process.argv[2]}/`)("honeyhive/dist/sdk/sdk.js");
const { url, session } = JSON.parse(readFileSync(0, "utf8"));

const client = new HoneyHive({ serverURL: url, bearerAuth: "a-key" });
const { sessionId } = (await client.session.startSession({ session })).object;
const { event } = await client.session.getSession(sessionId);
console.log(JSON.stringify({ session_id: sessionId, event }));
