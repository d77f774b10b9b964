<?php
// Makes form.json: objects of JSON, and the form that PHP makes of each.
//   php form.php > form.json
$texts = [
  '{"a":0.1,"b":0.30000000000000004,"c":1e25,"d":1.0,"e":-0.0,"f":123456789012345678,"h":1.50,"i":0.00001}',
  '{"j":100000000000000.0,"k":1000000000000000.0,"l":123456.789012345678,"q":3.141592653589793,"o":-0,"r":1e400}',
  '{"m":[null,1,[],{"x":null,"y":"z"}],"n":{},"5":"q","p":{"":1},"x~":[[1]],"a b":{"c d":1}}',
  '{"s":"\u0000\u00e9\n+&=%~*\'()!-_.","t":true,"f":false,"z":null,"":"empty"}',
  '{"a":{"b":{"c":{"d":[true,false,{"e":"f"}]}}},"a[b]":1,"ü":"李🚀"}',
  '{}',
];
$rows = array_map(fn($text) => [$text, http_build_query(json_decode($text, true), '', '&', PHP_QUERY_RFC1738)], $texts);
echo json_encode($rows, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n";
