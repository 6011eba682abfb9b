/**
 * The XDR sentence, which `@signalk/nmea0183-signalk` does not know: transducers in groups of four fields (type, value,
 * unit, name), for example `$ERXDR,P,4.12,B,EngineOil#0,C,73.4,C,EngineCoolant#0*52`. The names are those that gateways
 * from NMEA 2000 use; add those of your own engine to the table.
 */
import type { HookFn } from '@signalk/nmea0183-signalk';

/** By type and name without the engine's number; `#` in a path stands for that. */
const PATHS: Readonly<Record<string, string>> = {
  'C engine': 'propulsion.engine#.temperature',
  'C enginecoolant': 'propulsion.engine#.coolantTemperature',
  'C engineoil': 'propulsion.engine#.oilTemperature',
  'P engineoil': 'propulsion.engine#.oilPressure',
  'P engineboost': 'propulsion.engine#.boostPressure',
  'U alternator': 'propulsion.engine#.alternatorVoltage',
  'G enginehours': 'propulsion.engine#.runTime',
  'R fuel': 'propulsion.engine#.fuel.rate',
  'P baro': 'environment.outside.pressure',
  'C env_inside_t': 'environment.inside.temperature',
};

/** To SI, by the type and unit of a transducer. */
const SI: Readonly<Record<string, (value: number) => number>> = {
  'C C': (celsius) => celsius + 273.15,
  'P P': (pascals) => pascals,
  'P B': (bars) => bars * 100_000,
  'U V': (volts) => volts,
  'G ': (hours) => hours * 3_600,
  'R l': (litresPerHour) => litresPerHour / 3_600_000,
};

/** Readings of the transducers that the tables know. */
export const parseTransducers: HookFn = ({ parts }) => {
  const values: { path: string; value: number }[] = [];
  for (let at = 0; at + 3 < parts.length; at += 4) {
    const [type = '', text = '', unit = '', label = ''] = parts.slice(at, at + 4);
    const [, name = '', engine = '0'] = LABEL.exec(label) ?? [];
    const path = PATHS[`${type} ${name.toLowerCase()}`]?.replace('#', engine);
    const toSI = SI[`${type} ${unit}`];
    if (path !== undefined && toSI !== undefined && text !== '') values.push({ path, value: toSI(Number(text)) });
  }
  return values.length === 0 ? null : { updates: [{ values }] };
};

const LABEL = /^(\w+)(?:#(\d+))?$/;
