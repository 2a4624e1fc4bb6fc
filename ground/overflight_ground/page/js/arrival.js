/** A stored message in the shape of a line of the wire. */

/** `at` is the time it is shown under: when it arrived, or (in a replay) when it was measured. */
export function arrival(message, at) {
  return { ...message, at_ms: Date.parse(at), size: message.bytes ?? message.size, topic: message.topic ?? "", summary: message.summary ?? summary(message) };
}

function summary(message) {
  if (message.kind === "position") {
    if (message.lat_deg === null) return `#${message.seq} no fix`;
    const height = message.alt_msl_m === null ? "" : ` ${Math.round(message.alt_msl_m)} m`;
    return `#${message.seq} ${message.lat_deg.toFixed(4)} ${message.lon_deg.toFixed(4)}${height}`;
  }
  const parts = [`#${message.seq} ${message.phase ?? ""}`];
  if (Number.isFinite(message.track_deg) && Number.isFinite(message.speed_mps)) parts.push(`${String(Math.round(message.track_deg)).padStart(3, "0")}° ${message.speed_mps.toFixed(1)} m/s`);
  if (Number.isFinite(message.climb_mps)) parts.push(`${message.climb_mps > 0 ? "+" : ""}${message.climb_mps.toFixed(1)} m/s up`);
  return parts.join(" ");
}
