// Fits pictures, each a square of gray levels, for test_demo.py: SIDE PICTURES RESULT
import { readFileSync, writeFileSync } from "node:fs";
import { fitDigit } from "../../docs/demo/mnist.js";

const [side, pictures, result] = process.argv.slice(2);
const levels = new Uint8Array(readFileSync(pictures));
const area = Number(side) ** 2;
const fitted = [];
for (let at = 0; at < levels.length; at += area) {
  fitted.push(fitDigit(levels.subarray(at, at + area), Number(side), Number(side)));
}
writeFileSync(result, Buffer.concat(fitted.map((image) => image ?? new Uint8Array(28 * 28))));
