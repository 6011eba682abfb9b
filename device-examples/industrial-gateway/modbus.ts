/** A machine at the other end of an RS-485 line, asked with Modbus RTU; the port is opened again whenever it was lost. */
import ModbusRTU from 'modbus-serial';
import type { Block } from './codec.js';

export interface MachineOptions {
  readonly path: string;
  readonly baudRate: number;
  readonly parity: 'none' | 'even' | 'odd';
  /** Its address on the line, 1 to 247. */
  readonly unit: number;
  /** How long it may take to answer. */
  readonly timeoutMs: number;
}

export class Machine {
  readonly #options: MachineOptions;
  #client: ModbusRTU | undefined;

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** The registers of a block. Rejects if it does not answer. */
  async read({ table, address, length }: Block): Promise<Buffer> {
    const client = await this.#open();
    const read =
      table === 'input' ? client.readInputRegisters(address, length) : client.readHoldingRegisters(address, length);
    return (await read).buffer;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client?.isOpen === true) await new Promise<void>((resolve) => client.close(() => resolve()));
  }

  async #open(): Promise<ModbusRTU> {
    if (this.#client?.isOpen === true) return this.#client;
    const { path, baudRate, parity, unit, timeoutMs } = this.#options;
    const client = new ModbusRTU();
    client.on('error', () => undefined); // told by the read that fails
    client.setID(unit);
    client.setTimeout(timeoutMs);
    await client.connectRTUBuffered(path, { baudRate, parity });
    return (this.#client = client);
  }
}
