// Loaded into every broker of the fault suite before its own program (`node --import`): broker n listens on all addresses,
// tells others that it is at 127.0.0.(11 + n), and connects from there, as pods each have an address of their own. So a
// packet says whom it comes from and whom it is for, and the suite's packet filter can part them (network.ts).
import net from "node:net";

const ordinal = /-(\d+)$/.exec(process.env.POD_NAME ?? "")?.[1];
if (ordinal !== undefined) {
  const address = `127.0.0.${String(11 + Number(ordinal))}`;
  process.env.FOREBAY_LISTEN_HOST = "0.0.0.0";
  process.env.FOREBAY_ADVERTISED_HOST = address;
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...args) {
    // What net.connect() hands over is an array of its own with the options at its head.
    const options = Array.isArray(args[0]) ? args[0][0] : args[0];
    if (typeof options === "object" && options !== null && options.path === undefined) {
      options.localAddress = address;
    }
    return connect.apply(this, args);
  };
}
