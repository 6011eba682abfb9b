/** The documents of the benchmarks: the same for hawser and for what it is compared with. */

/** ID and body of a reading as a sensor would store it, about 200 bytes of JSON together. */
export function metric(index) {
  const id = `engine-${String(index).padStart(8, '0')}`;
  return [
    id,
    {
      type: 'telemetry',
      path: 'propulsion.port.oilPressure',
      source: 'can0.16',
      node: 'engine-room',
      sequence: index,
      timestamp: new Date(1_700_000_000_000 + index * 137).toISOString(),
      value: 158_300 + ((index * 7919) % 4099) / 8,
      rpm: 1200 + ((index * 31) % 97),
    },
  ];
}

/** ID and body of the state of a whole engine: 2 KB of JSON in 50 fields, of which `change` changes one. */
export function engineState(index, change) {
  const body = { serial: `MX-2231-${index}`, rpm: 1200 + change };
  for (let cylinder = 1; cylinder <= 12; cylinder++) {
    const prefix = `propulsion.cylinder${String(cylinder).padStart(2, '0')}`;
    for (const [position, name] of CYLINDER_FIELDS.entries())
      body[`${prefix}.${name}`] = 600 + ((index * 7919 + cylinder * 104_729 + position * 1301) % 8191) / 16;
  }
  return [`state-${index}`, body];
}

const CYLINDER_FIELDS = ['exhaust', 'injection', 'coolant', 'knock'];
