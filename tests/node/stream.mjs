// A client in another language, built from the same .proto files: asks a router, prints each frame as one line of JSON.
//
//   node stream.mjs ADDRESS PROTO_FOLDER REQUEST_AS_JSON
//
// The last line is {"status": {"code", "details", "reason"}}; `reason` is that of google.rpc.ErrorInfo where there is one.

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address, protoFolder, request] = process.argv.slice(2);
const definition = protoLoader.loadSync("pointsman/router/v1/router_service.proto", {
  includeDirs: [protoFolder],
  longs: Number,
  enums: String,
  oneofs: true,
});
const { RouterService } = grpc.loadPackageDefinition(definition).pointsman.router.v1;
const client = new RouterService(address, grpc.credentials.createInsecure());

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function end(status) {
  const details = status.metadata?.get("grpc-status-details-bin")[0]?.toString("latin1") ?? "";
  const reason = details.match(/ERROR_REASON_[A-Z_]+/)?.[0] ?? "";
  print({ status: { code: grpc.status[status.code], details: status.details, reason } });
  client.close();
}

const call = client.Generate(JSON.parse(request), { deadline: Date.now() + 60_000 });
call.on("data", print);
// An error comes as a status too.
call.on("error", () => {});
call.on("status", end);
