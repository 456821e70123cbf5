// A client in another language, built from the same .proto files: asks a router, prints each frame as one line of JSON.
//
//   node stream.mjs ADDRESS PROTO_FOLDER GOOGLE_PROTO_FOLDER REQUEST_AS_JSON
//
// The last line is {"status": {"code", "details", "errors"}}; `errors` are the messages of google.rpc that came with it, such as
// {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason", "domain"}. GOOGLE_PROTO_FOLDER holds google/rpc/*.proto.

import path from "node:path";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const [address, protoFolder, googleFolder, request] = process.argv.slice(2);
const definition = protoLoader.loadSync("pointsman/router/v1/router_service.proto", {
  includeDirs: [protoFolder],
  longs: Number,
  enums: String,
  oneofs: true,
});
const { RouterService } = grpc.loadPackageDefinition(definition).pointsman.router.v1;
const client = new RouterService(address, grpc.credentials.createInsecure());

const google = new protobuf.Root();
google.resolvePath = (_, target) => path.join(googleFolder, target);
google.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function readErrors(metadata) {
  const [encoded] = metadata?.get("grpc-status-details-bin") ?? [];
  if (!encoded) return [];
  return google.lookupType("google.rpc.Status").decode(encoded).details.map((detail) => {
    const type = google.lookupType(detail.type_url.split("/").pop());
    return { "@type": detail.type_url, ...type.toObject(type.decode(detail.value)) };
  });
}

function end(status) {
  print({ status: { code: grpc.status[status.code], details: status.details, errors: readErrors(status.metadata) } });
  client.close();
}

const call = client.Generate(JSON.parse(request), { deadline: Date.now() + 60_000 });
call.on("data", print);
// An error comes as a status too.
call.on("error", () => {});
call.on("status", end);
