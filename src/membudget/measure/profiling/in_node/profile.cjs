"use strict";
// Lets a Node process say which code holds its memory, when membudget asks it by its inspector.
//
// membudget puts this file first in what Node loads (NODE_OPTIONS=--require) in a trial that is never judged. V8 samples
// its heap. What lies outside of it, buffers and typed arrays, V8 does not sample: their constructors are wrapped here.
// The answer is text, as profiling/summary.py reads it, and three numbers of bytes: what the process held, the part of it
// that was in this heap of V8 or in buffers of its objects, and what live objects and their buffers need of that.

const STEP_BYTES = 32768; // about how many bytes apart samples are
const MOST_DEPTH = 40;
const MOST_STACKS = 400;
const MOST_TEXT = 1 << 20;
const LONGEST_NAME = 200;
const ON_HEAP_BYTES = 64; // V8 keeps the content of smaller typed arrays in its heap

function start() {
  const { Session } = require("inspector");
  const { readFileSync } = require("fs"); // before the service can replace it
  const v8 = require("v8");
  // V8 takes a function that was inlined into another one for that one. Its flags have these names since Node 12 and 22.
  v8.setFlagsFromString("--no-turbo-inlining");
  if (Number(process.versions.v8.split(".")[0]) >= 12) v8.setFlagsFromString("--no-maglev-inlining");
  const session = new Session();
  session.connect();
  const outside = watchBuffers();
  session.post("HeapProfiler.startSampling", { samplingInterval: STEP_BYTES });
  Object.defineProperty(globalThis, Symbol.for("membudget.profile"), {
    value: () => {
      const resident = residentBytes(readFileSync);
      const before = v8.getHeapStatistics();
      const live = sampled(session); // V8 collects garbage first, and gives memory back
      const after = v8.getHeapStatistics();
      return [
        summary(live.concat(outside(after.external_memory))),
        resident,
        before.total_physical_size + before.external_memory,
        after.used_heap_size + after.external_memory,
      ];
    },
  });
}

// The memory that peak RSS counts: without pages that the kernel can read again from files. 0 if it is unknown.
function residentBytes(readFileSync) {
  try {
    const status = readFileSync("/proc/self/status", "latin1");
    return 1024 * ["RssAnon", "RssShmem"].reduce((sum, key) => sum + Number(status.match(`${key}:\\s*(\\d+) kB`)[1]), 0);
  } catch {
    return 0;
  }
}

// The stacks of V8's samples, as [frames, bytes].
function sampled(session) {
  let profile = null;
  session.post("HeapProfiler.getSamplingProfile", (error, result) => {
    if (!error) profile = result.profile;
  });
  if (profile === null) throw new Error("V8 gave no profile");
  const stacks = [];
  const left = [[profile.head, null]];
  while (left.length > 0) {
    const [node, caller] = left.pop();
    const { functionName, url, lineNumber } = node.callFrame;
    const at = { name: functionName, file: url, line: lineNumber + 1, caller };
    if (node.selfSize > 0) stacks.push([unwound(at), node.selfSize]);
    for (const child of node.children) left.push([child, at]);
  }
  return stacks;
}

function unwound(innermost) {
  const frames = [];
  for (let at = innermost; at !== null && frames.length < MOST_DEPTH; at = at.caller) frames.push(at);
  return frames;
}

// Wraps what makes buffers. Returns a function that returns the stacks of those that still live, as [frames, bytes].
function watchBuffers() {
  const sites = new Map();
  const registry = new FinalizationRegistry(([site, bytes]) => {
    site.bytes -= bytes;
  });
  const { random, log, exp } = Math;
  let left = STEP_BYTES;

  function note(made, bytes, wrapper) {
    if (bytes <= ON_HEAP_BYTES) return made;
    left -= bytes;
    if (left > 0) return made;
    left = -log(1 - random()) * STEP_BYTES;
    const weight = Math.round(bytes / (1 - exp(-bytes / STEP_BYTES))); // as V8 counts its samples
    const frames = callers(wrapper);
    const key = frames.map((frame) => `${frame.name}\n${frame.file}\n${frame.line}`).join("\n");
    let site = sites.get(key);
    if (site === undefined) sites.set(key, (site = { frames, bytes: 0 }));
    site.bytes += weight;
    registry.register(made, [site, weight]);
    return made;
  }

  for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow", "from"]) {
    const make = Buffer[name];
    const wrapper = function (...given) {
      const made = Reflect.apply(make, this, given);
      return isView(made, given) ? made : note(made, made.byteLength, wrapper);
    };
    Buffer[name] = Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(make));
  }
  const wrapped = ["ArrayBuffer", "SharedArrayBuffer", "Uint8Array", "Int8Array", "Uint8ClampedArray", "Int16Array",
    "Uint16Array", "Int32Array", "Uint32Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array"];
  for (const name of wrapped) {
    const make = globalThis[name];
    if (make === undefined) continue;
    const construct = (target, given, asked) => {
      const made = Reflect.construct(target, given, asked === proxy ? target : asked);
      return isView(made, given) ? made : note(made, made.byteLength, construct);
    };
    const proxy = new Proxy(make, { construct });
    make.prototype.constructor = proxy;
    Object.defineProperty(globalThis, name, { value: proxy, writable: true, configurable: true, enumerable: false });
  }

  return (external) => {
    const stacks = [];
    let sum = 0;
    for (const [key, { frames, bytes }] of sites) {
      if (bytes > 0) stacks.push([frames, bytes]);
      else sites.delete(key);
      sum += Math.max(0, bytes);
    }
    // V8 tells of dead buffers only between two turns of the event loop. All others lie in `external`.
    const share = Math.min(1, external / Math.max(1, sum));
    const known = stacks.map(([frames, bytes]) => [frames, Math.round(bytes * share)]);
    const rest = { name: "ArrayBuffer", file: "", line: 0 };
    return [...known, [[rest], Math.max(0, external - Math.round(sum * share))]];
  };
}

// Whether an object shows memory that was there before.
function isView(made, given) {
  return made.buffer !== undefined && made.buffer === given[0];
}

function callers(wrapper) {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder = {};
  let calls;
  try {
    Error.stackTraceLimit = MOST_DEPTH;
    Error.prepareStackTrace = (_, sites) => sites;
    Error.captureStackTrace(holder, wrapper);
    calls = holder.stack;
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (!Array.isArray(calls)) return [];
  return calls.map((call) => ({
    name: call.getFunctionName() || "",
    file: call.getFileName() || "",
    line: call.getLineNumber() || 0,
  }));
}

// The largest stacks as text. The others are added up.
function summary(stacks) {
  stacks.sort((one, other) => other[1] - one[1]);
  const numbers = new Map();
  const lines = ["membudget-profile 1"];
  let size = 0;
  let rest = 0;
  let kept = 0;
  for (const [frames, bytes] of stacks) {
    if (bytes <= 0) continue;
    if (frames.length === 0 || kept === MOST_STACKS || size > MOST_TEXT) {
      rest += bytes;
      continue;
    }
    const begun = lines.length;
    const indices = frames.slice(0, MOST_DEPTH).map(({ name, file, line }) => {
      const text = `f ${plain(name || "(anonymous)", 0)}\t${plain(file, 1)}\t${line}`;
      let number = numbers.get(text);
      if (number === undefined) {
        numbers.set(text, (number = numbers.size));
        lines.push(text);
      }
      return number;
    });
    lines.push(`s ${bytes} ${indices.join(" ")}`);
    kept += 1;
    for (let at = begun; at < lines.length; at += 1) size += lines[at].length;
  }
  lines.push(`r ${rest}`, "");
  return lines.join("\n");
}

function plain(text, fromEnd) {
  const cut = fromEnd ? text.slice(-LONGEST_NAME) : text.slice(0, LONGEST_NAME);
  return cut.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/g, "?");
}

try {
  start();
} catch {
  // This Node has no inspector, or is too old: it cannot be asked.
}
