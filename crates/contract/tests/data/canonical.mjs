// Makes canonical.json: texts of JSON, and what JavaScript makes of each.
//   node canonical.mjs > canonical.json
const texts = [
  '{}', '[]', '{"a":1.50,"b":1e21,"c":-0,"d":1E-7,"e":0.1,"f":1e400,"g":-1e400}',
  '[1.0,100,1e2,1e20,1e21,123456789012345680000,12345678901234567890,9007199254740993,-9007199254740993]',
  '[5e-324,1.7976931348623157e308,0.000001,0.0000001,-0.0,-1.5e-10,1e-400]',
  '{"2":"b","10":"c","1":"a","x":0,"01":1,"-1":2,"4294967294":3,"4294967295":4,"0":5,"1.5":6,"":7}',
  '{"a":1,"b":2,"a":3}', '{"a":1,"\\u0061":2,"1":3,"b":{"z":1,"z":[2],"0":4},"1":5}',
  '"\\ud800"', '["\\uD800x","\\udc00\\ud800","\\ud83d\\ude80","\\ude80\\ud83d","\\uDBFF\\uDFFF"]', '{"\\ud800":1,"\\uD800":2}',
  '["\\u0000\\u0001\\u001f\\u007f\\u0080\\u2028\\u2029\\ufeff\\uffff","\\b\\f\\n\\r\\t\\"\\\\\\/","/","é","\\u00e9","🚀"]',
  ' { "a" : [ 1 , { "b" : null } ] , "c" : true , "d" : false } ', '"text"', '1.50', 'null', 'true',
  '{"__proto__":1,"constructor":2,"toString":3}', '{"a":{"b":{"c":[[[[]]]]}}}',
  '{"9":1,"8":{"7":2,"6":{"5":1,"4":2,"k":3,"3":4}},"k":1}',
];
// Twenty keys and more take another path.
texts.push('{' + Array.from({ length: 40 }, (_, n) => `"${n % 3 ? 'k' + (n % 25) : 40 - n}":${n}`).join(',') + '}');
// Doubles of every size, from a fixed sequence.
let seed = 12345n;
const next = () => (seed = (seed * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn);
const doubles = [];
while (doubles.length < 400) {
  const value = new Float64Array(new BigUint64Array([next()]).buffer)[0];
  if (Number.isFinite(value)) doubles.push(value.toExponential(Number(next() >> 60n) + 5));
}
texts.push(`[${doubles.join(',')}]`);
console.log(JSON.stringify(texts.map(text => [text, JSON.stringify(JSON.parse(text))]), null, 1));
